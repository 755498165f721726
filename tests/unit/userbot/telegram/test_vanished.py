"""What was deleted or edited while nobody looked is found, and nothing is taken for deleted by mistake."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from fakes import START, bubble
from telegram_stage import Stage, left_over
from telethon.tl import types

from userbot.domain.events import Arrived, Deleted, Edited
from userbot.domain.messages import Chat, ChatKind, Mode
from userbot.reply.intake import store_deletion, store_edit
from userbot.telegram.account import TelegramAccount
from userbot.telegram.vanished import Changes, VanishedCheck

VERA = Chat(id=101, kind=ChatKind.PRIVATE, title="Vera", access_hash=1)
KNOWN = [bubble(number, str(number)) for number in (1, 2, 3)]


class FakeClient:
    """Answers with what a test has put into `answers`, one after another; the last one again and again."""

    def __init__(self, *answers: Sequence[Any]) -> None:
        self.answers = list(answers)

    async def __call__(self, _request: Any) -> Any:
        page = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        return types.messages.Messages(messages=list(page), chats=[], users=[], topics=[])


class FakeSender:
    """Addresses every chat as a private one."""

    async def address(self, chat: Chat) -> Any:
        return types.InputPeerUser(chat.id, 1)


def there(number: int, *, chat_id: int = 101, edited_s: float | None = None, hidden: bool = False) -> types.Message:
    edited = None if edited_s is None else START + timedelta(seconds=edited_s)
    peer = types.PeerUser(chat_id)
    return types.Message(id=number, peer_id=peer, date=START, message="new", edit_date=edited, edit_hide=hidden or None)


def gone(*numbers: int) -> list[types.MessageEmpty]:
    return [types.MessageEmpty(number, None) for number in numbers]


async def compare(*answers: Sequence[Any], times: int = 1) -> list[Changes]:
    check = VanishedCheck(FakeClient(*answers), FakeSender())  # type: ignore[arg-type]  # fakes
    return [await check.compare(VERA, KNOWN) for _ in range(times)]


async def test_what_telegram_calls_empty_is_deleted() -> None:
    assert (await compare([there(1), *gone(2, 3)]))[0].deleted == (2, 3)


@pytest.mark.parametrize(
    "answer",
    [[], [there(1)], [there(1), *gone(2)], gone(1, 2), [there(1), there(2), *gone(9)]],
    ids=["nothing", "one", "short", "short and empty", "another id"],
)
async def test_an_incomplete_answer_deletes_nothing(answer: Sequence[Any]) -> None:
    assert await compare(answer, times=3) == [Changes()] * 3


async def test_ids_of_another_account_delete_nothing() -> None:
    assert await compare([there(1), there(2, chat_id=555), *gone(3)], times=3) == [Changes()] * 3


async def test_where_all_is_gone_it_must_be_gone_twice() -> None:
    first, second = await compare(gone(1, 2, 3), times=2)
    assert (first.deleted, second.deleted) == ((), (1, 2, 3))


async def test_a_passing_emptiness_deletes_nothing() -> None:
    whole = [there(number) for number in (1, 2, 3)]
    found = await compare(gone(1, 2, 3), whole, gone(1, 2, 3), whole, times=4)
    assert [one.deleted for one in found] == [(), (), (), ()]


async def test_edits_are_found_and_reactions_are_none() -> None:
    [found] = await compare([there(1, edited_s=5), there(2, edited_s=5, hidden=True), there(3)])
    assert [raw.id for raw in found.edited] == [1]


async def test_an_edit_that_is_known_is_no_news() -> None:
    check = VanishedCheck(FakeClient([there(1, edited_s=5)]), FakeSender())  # type: ignore[arg-type]  # fakes
    known = replace(KNOWN[0], edited_at=START + timedelta(seconds=5))
    assert (await check.compare(VERA, [known])).edited == ()


def store_all(stage: Stage, account: TelegramAccount) -> None:
    """Store what has happened, as the daemon does."""
    for event in left_over(account):
        if isinstance(event, Arrived):
            stage.store.messages.add([event.message])
        elif isinstance(event, Deleted):
            store_deletion(stage.store, event)
        elif isinstance(event, Edited):
            store_edit(stage.store, event)


async def test_deletions_and_edits_of_a_time_without_updates_are_made_up_for(stage: Stage) -> None:
    chat = stage.chat()
    async with stage.account(supervised=False) as account:
        sent = [await stage.server.send(stage.vera, stage.owner, text) for text in ("a secret", "old words", "stays")]
        await account.reconcile(stage.store)
        store_all(stage, account)
        assert len(stage.store.messages.window(chat.id, limit=9)) == 3
        stage.server.faults.miss_updates(stage.owner)
        await stage.server.delete(stage.vera, stage.owner, [sent[0].id])
        await stage.server.edit(stage.vera, stage.owner, sent[1].id, text="new words")
        await account.reconcile(stage.store)
        store_all(stage, account)
        assert len(stage.store.messages.window(chat.id, limit=9)) == 3, "nobody asked"
        await account.reconcile(stage.store, deletions=True)
        store_all(stage, account)
        assert [one.text for one in stage.store.messages.window(chat.id, limit=9)] == ["new words", "stays"]
        await account.reconcile(stage.store, deletions=True)
        assert left_over(account) == []


async def test_a_supergroup_is_asked_in_its_own_numbering(stage: Stage) -> None:
    team = stage.server.add_channel("Team", [stage.vera, stage.owner])
    chat = Chat(id=team.chat_id, kind=ChatKind.GROUP, title="Team", access_hash=team.access_hash)
    stage.store.chats.save([chat])
    stage.store.chats.set_mode(chat.id, Mode.AUTO)
    async with stage.account(supervised=False) as account:
        sent = [await stage.server.send(stage.vera, team, text) for text in ("one", "two")]
        await account.reconcile(stage.store)
        store_all(stage, account)
        stage.server.faults.miss_updates(stage.owner)
        await stage.server.delete(stage.vera, team, [sent[0].id])
        await account.reconcile(stage.store, deletions=True)
        store_all(stage, account)
        assert [one.text for one in stage.store.messages.window(chat.id, limit=9)] == ["two"]
