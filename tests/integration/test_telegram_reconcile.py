"""Nothing lost: what the updates miss, the reconciler and the watch over the connection find."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from random import Random

import pytest
from telegram_stage import Stage, left_over, next_event, next_texts, wait_until

from userbot.domain.errors import OfflineError
from userbot.domain.events import Arrived
from userbot.domain.messages import Chat, ChatKind, Mode, Origin
from userbot.loopback import LoopbackTelegram
from userbot.store import Store
from userbot.telegram import client, connection
from userbot.telegram.account import TelegramAccount
from userbot.telegram.connection import ConnectionState
from userbot.telegram.reconcile import FIRST_LOOK


@pytest.fixture
async def stage(tmp_path: Path, store: Store) -> AsyncIterator[Stage]:
    async with LoopbackTelegram() as server:
        prepared = Stage.set_up(server, tmp_path, store)
        await prepared.log_in()
        yield prepared


def keep(stage: Stage, account: TelegramAccount) -> list[str]:
    """Store what has arrived, as the daemon does; return the texts that were new."""
    arrived = [event.message for event in left_over(account) if isinstance(event, Arrived)]
    return [message.text for message in arrived if stage.store.messages.add([message])]


async def test_a_missed_update_is_found_even_behind_a_newer_message(stage: Stage) -> None:
    stage.chat()
    async with stage.account(held=False) as account:
        await account.reconcile(stage.store)
        stage.server.faults.miss_updates(stage.owner)
        await stage.server.send(stage.vera, stage.owner, "missed")
        await account.reconcile(stage.store)
        assert keep(stage, account) == ["missed"]
        assert await account.reconcile(stage.store) == 0


async def test_a_hole_before_a_stored_message_is_filled(stage: Stage) -> None:
    chat = stage.chat()
    await stage.server.send(stage.vera, stage.owner, "one")
    await stage.server.send(stage.vera, stage.owner, "two")
    stage.server.faults.difference_too_long(stage.owner)
    async with stage.account() as account:
        await stage.server.send(stage.vera, stage.owner, "three")
        await wait_until(lambda: not account.events.empty())
        assert keep(stage, account) == ["three"]
        assert await account.reconcile(stage.store) == 2
        assert keep(stage, account) == ["one", "two"]
        assert [message.text for message in stage.store.messages.window(chat.id, limit=5)] == ["one", "two", "three"]


async def test_the_cursor_waits_until_everything_is_stored(stage: Stage) -> None:
    stage.chat()
    await stage.server.send(stage.vera, stage.owner, "one")
    stage.server.faults.difference_too_long(stage.owner)
    async with stage.account() as account:
        assert await account.reconcile(stage.store) == 1
        left_over(account)  # a crash before the store
    async with stage.account() as account:
        assert await account.reconcile(stage.store) == 1
        assert keep(stage, account) == ["one"]
        assert await account.reconcile(stage.store) == 0


async def test_quiet_chats_cost_one_request_for_all(stage: Stage) -> None:
    for number in range(5):
        peer = stage.server.add_user(f"Friend {number}")
        await stage.server.send(peer, stage.owner, "hi")
        stage.chat(peer)
    async with stage.account() as account:
        await account.reconcile(stage.store)
        keep(stage, account)
        await account.reconcile(stage.store)
        before = len(stage.server.calls_of("messages.getHistory"))
        await account.reconcile(stage.store)
        assert len(stage.server.calls_of("messages.getHistory")) == before


async def test_a_chat_seen_for_the_first_time_gives_its_newest_messages_only(stage: Stage) -> None:
    stage.chat()
    for number in range(FIRST_LOOK + 10):
        await stage.server.send(stage.vera, stage.owner, str(number))
    async with stage.account() as account:
        left_over(account)
        assert await account.reconcile(stage.store) == FIRST_LOOK
        assert keep(stage, account) == [str(number) for number in range(10, FIRST_LOOK + 10)]


async def test_chats_that_nobody_chose_are_left_alone(stage: Stage) -> None:
    stage.chat(mode=Mode.OFF)
    await stage.server.send(stage.vera, stage.owner, "private")
    async with stage.account() as account:
        left_over(account)
        assert await account.reconcile(stage.store) == 0
    assert stage.server.calls_of("messages.getHistory") == []


async def test_a_refused_chat_does_not_stop_the_others(stage: Stage) -> None:
    lost = stage.server.add_channel("Team", [stage.vera])
    gone = Chat(id=lost.chat_id, kind=ChatKind.GROUP, title="A team", access_hash=lost.access_hash)
    stage.store.chats.save([gone])
    stage.store.chats.set_mode(gone.id, Mode.AUTO)
    stage.chat()
    stage.server.faults.miss_updates(stage.owner)
    async with stage.account() as account:
        await stage.server.send(stage.vera, stage.owner, "hi")
        assert await account.reconcile(stage.store) == 1


async def test_the_clones_own_message_is_known_in_the_history(stage: Stage) -> None:
    chat = stage.chat()
    async with stage.account() as account:
        await account.messenger.send(chat, "hello", random_id=5)
        await account.reconcile(stage.store)
        assert (await next_event(account, Arrived)).message.origin is Origin.CLONE


async def test_a_flood_wait_delays_the_reconciler_and_loses_nothing(stage: Stage) -> None:
    stage.chat()
    stage.server.faults.miss_updates(stage.owner)
    async with stage.account() as account:
        await stage.server.send(stage.vera, stage.owner, "hi")
        stage.server.faults.flood_wait("messages.getHistory", 2, calls=2)
        assert await account.reconcile(stage.store) == 1
    assert stage.naps.count(2) == 2


async def test_a_flood_wait_does_not_lose_the_difference(stage: Stage) -> None:
    await stage.server.send(stage.vera, stage.owner, "while away")
    stage.server.faults.flood_wait("updates.getDifference", 2)
    async with stage.account() as account:
        assert await next_texts(account, 1) == ["while away"]
    assert 2 in stage.naps


async def test_a_difference_that_is_too_long_starts_the_reconciler(stage: Stage) -> None:
    stage.chat()
    await stage.server.send(stage.vera, stage.owner, "while away")
    stage.server.faults.difference_too_long(stage.owner)
    async with stage.account() as account:
        task = asyncio.create_task(account.keep_reconciled(stage.store, every_s=60))
        assert await next_texts(account, 1) == ["while away"]
        task.cancel()


async def test_each_connection_starts_the_reconciler(stage: Stage) -> None:
    stage.chat()
    async with stage.account() as account:
        task = asyncio.create_task(account.keep_reconciled(stage.store, every_s=60))
        await wait_until(lambda: stage.server.calls_of("messages.getPeerDialogs"))
        before = len(stage.server.calls_of("messages.getPeerDialogs"))
        stage.server.faults.disconnect(stage.owner)
        await wait_until(lambda: len(stage.server.calls_of("messages.getPeerDialogs")) > before)
        task.cancel()


async def test_a_deaf_connection_is_noticed_by_what_telegram_counts(stage: Stage) -> None:
    async with stage.account(watch_s=20.0) as account:
        stage.server.faults.miss_updates(stage.owner)
        await stage.server.send(stage.vera, stage.owner, "unheard")
        assert await next_texts(account, 1) == ["unheard"]


async def test_a_server_that_stops_answering_is_left_for_a_new_connection(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection, "ANSWER_TIMEOUT_S", 0.05)
    async with stage.account(watch_s=20.0) as account:
        stage.server.faults.delay("updates.getState", 30.0)
        await wait_until(lambda: stage.states.count(ConnectionState.CONNECTING) == 2)
        await stage.wait_state(account, ConnectionState.CONNECTED)


async def test_a_first_answer_that_never_comes_is_tried_again(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client, "CONNECT_TIMEOUT_S", 0.3)
    stage.server.faults.delay("help.getConfig", 30.0)
    async with stage.account():
        assert stage.naps[0] == 1.0


async def test_pauses_between_tries_grow(stage: Stage) -> None:
    await stage.server.stop()
    with pytest.raises(OfflineError):
        async with stage.account(attempts=5):
            pass
    assert stage.naps == [1.0, 2.0, 4.0, 8.0]
    assert stage.states[-1] == "disconnected"


async def test_nothing_is_lost_or_doubled_in_a_storm(stage: Stage) -> None:
    """Drops and gaps at once: what the store has in the end is what Telegram has."""
    chaos, faults = Random(7), stage.server.faults  # noqa: S311  # a repeatable storm, no secret
    chat = stage.chat()
    misfortunes = [
        lambda: faults.disconnect(stage.owner),
        lambda: faults.miss_updates(stage.owner, count=2),
        lambda: faults.difference_too_long(stage.owner),
        lambda: faults.drop("updates.getDifference", "after"),
        lambda: faults.drop("messages.sendMessage", "after"),
        lambda: faults.drop("messages.getHistory", "before"),
        lambda: faults.change_salts(stage.owner),
    ]

    async def store_what_comes(account: TelegramAccount) -> None:
        while True:
            event = await account.events.get()
            assert isinstance(event, Arrived)
            assert event.message.origin is not Origin.OWNER
            await asyncio.to_thread(stage.store.messages.add, [event.message])

    async def answer(account: TelegramAccount) -> None:
        for number in range(10):
            while True:
                try:
                    await account.messenger.send(chat, f"answer {number}", random_id=number + 1)
                    break
                except OfflineError:
                    await asyncio.sleep(0.01)

    async with stage.account() as account, asyncio.TaskGroup() as tasks:
        background = [
            tasks.create_task(store_what_comes(account)),
            tasks.create_task(account.keep_reconciled(stage.store, every_s=0.2)),
        ]
        answering = tasks.create_task(answer(account))
        for number in range(40):
            await stage.server.send(stage.vera, stage.owner, f"question {number}")
            if number % 3 == 0:
                chaos.choice(misfortunes)()
            await asyncio.sleep(0.005)
        await answering
        faults.clear()
        theirs = [message.text for message in stage.server.conversation(stage.vera, stage.owner)]
        await wait_until(
            lambda: [message.text for message in stage.store.messages.history(chat.id)] == theirs, timeout_s=20.0
        )
        for task in background:
            task.cancel()
    assert sorted(text for text in theirs if text.startswith("answer")) == [f"answer {n}" for n in range(10)]
