"""Pulling the history into the store, by real Telethon against the loopback server."""

from __future__ import annotations

from datetime import timedelta

import pytest
from fakes import FakeClock
from telegram_stage import Stage

from userbot.domain.errors import OfflineError
from userbot.domain.messages import Chat, ChatKind, Origin
from userbot.store.facts import pull_mark
from userbot.telegram.history import PAUSE_S, Progress

COUNT = 250


@pytest.fixture
async def stage(stage: Stage) -> Stage:
    for number in range(COUNT):
        sender, other = (stage.vera, stage.owner) if number % 2 else (stage.owner, stage.vera)
        await stage.server.send(sender, other, str(number))
    return stage


async def test_a_whole_chat_is_pulled_newest_first(stage: Stage) -> None:
    chat, seen = stage.chat(), list[Progress]()
    async with stage.account(supervised=False) as account:
        report = await account.pull(stage.store, [chat], on_progress=seen.append)
    assert (report.chats, report.messages, report.refused, report.takeout) == (1, COUNT, (), True)
    assert [message.text for message in stage.store.messages.history(chat.id)] == [str(n) for n in range(COUNT)]
    assert stage.store.messages.count(Origin.OWNER) == COUNT // 2
    assert [(step.fetched, step.total) for step in seen] == [(100, COUNT), (200, COUNT), (COUNT, COUNT)]
    assert stage.server.calls_of("account.finishTakeoutSession")[0].request.success


async def test_a_dropped_connection_does_not_end_a_pull(stage: Stage) -> None:
    chat = stage.chat()
    for supervised in (True, False):
        stage.store.facts.set(pull_mark(chat.id), None)
        async with stage.account(supervised=supervised) as account:
            stage.server.faults.drop("messages.getHistory", "after")
            report = await account.pull(stage.store, [chat])
            assert (report.chats, stage.store.messages.count()) == (1, COUNT)


async def test_a_broken_pull_goes_on_where_it_stopped(stage: Stage) -> None:
    chat = stage.chat()
    async with stage.account(supervised=False) as account:
        with pytest.raises(OfflineError):
            await account.pull(
                stage.store,
                [chat],
                on_progress=lambda step: stage.server.faults.drop("messages.getHistory", "before", calls=50),
            )
    assert stage.store.messages.count() == 100
    stage.server.faults.clear()
    before = len(stage.server.calls_of("messages.getHistory"))
    await stage.server.send(stage.vera, stage.owner, "meanwhile")
    async with stage.account(supervised=False) as account:
        report = await account.pull(stage.store, [chat])
    assert (report.messages, stage.store.messages.count()) == (COUNT - 100 + 1, COUNT + 1)
    # One page for what is new, two for the rest, and the empty one at the beginning of the chat.
    assert len(stage.server.calls_of("messages.getHistory")) == before + 4


async def test_a_second_pull_fetches_only_what_is_new(stage: Stage) -> None:
    chat = stage.chat()
    async with stage.account(supervised=False) as account:
        await account.pull(stage.store, [chat])
        before = len(stage.server.calls_of("messages.getHistory"))
        await stage.server.send(stage.vera, stage.owner, "new")
        assert (await account.pull(stage.store, [chat])).messages == 1
        assert len(stage.server.calls_of("messages.getHistory")) == before + 1


async def test_without_an_export_session_it_pauses_between_pages(stage: Stage, clock: FakeClock) -> None:
    chat = stage.chat()
    stage.server.faults.error("account.initTakeoutSession", "TAKEOUT_INIT_DELAY_3600", code=420)
    async with stage.account(supervised=False) as account:
        report = await account.pull(stage.store, [chat])
        declined = await account.pull(stage.store, [chat], takeout=False)
    assert (report.messages, report.takeout, report.takeout_from) == (COUNT, False, clock() + timedelta(hours=1))
    assert (declined.takeout, declined.takeout_from) == (False, None)
    assert stage.naps == [PAUSE_S] * 3
    assert stage.server.calls_of("account.finishTakeoutSession") == []


async def test_an_export_session_left_open_by_a_crash_is_closed_first(stage: Stage) -> None:
    chat = stage.chat()
    async with stage.account(supervised=False) as account:
        account._client.session.takeout_id = 77
        assert (await account.pull(stage.store, [chat])).takeout


async def test_flood_waits_are_slept_through_and_shown(stage: Stage) -> None:
    chat, seen = stage.chat(), list[Progress]()
    stage.server.faults.flood_wait("messages.getHistory", 3)
    async with stage.account(supervised=False) as account:
        report = await account.pull(stage.store, [chat], on_progress=seen.append)
    assert report.messages == COUNT
    assert [step.waiting_s for step in seen] == [3.0, 0.0, 0.0, 0.0]
    assert stage.naps == [3.0]


async def test_a_refused_chat_is_named_and_the_next_one_follows(stage: Stage) -> None:
    team = stage.server.add_channel("Team", [stage.vera])
    lost = Chat(id=team.chat_id, kind=ChatKind.GROUP, title="Team", access_hash=team.access_hash)
    stage.store.chats.save([lost])
    async with stage.account(supervised=False) as account:
        report = await account.pull(stage.store, [lost, stage.chat()])
    assert (report.chats, report.messages) == (1, COUNT)
    assert report.refused == (f"Team: Telegram refused to read the history of chat {lost.id}: ChannelPrivate.",)


async def test_the_clones_messages_stay_the_clones(stage: Stage) -> None:
    chat = stage.chat()
    async with stage.account(supervised=False) as account:
        sent = await account.messenger.send(chat, "by the clone", random_id=5)
        await account.pull(stage.store, [chat])
    stored = stage.store.messages.get(chat.id, sent.id)
    assert stored is not None
    assert stored.origin is Origin.CLONE
