"""Tests of clearing drafts of forgotten chats."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from fakes import START

from userbot.daemon.leftover_drafts import LeftoverDrafts
from userbot.domain.errors import OfflineError
from userbot.domain.messages import Chat, ChatKind
from userbot.store import Store
from userbot.store.facts import OWN_DRAFTS
from userbot.store.forget_journal import DraftLeft, Entry, ForgetJournal, digest_draft
from userbot.store.thread import StoreThread

VERA = Chat(id=101, kind=ChatKind.PRIVATE, title="Vera", access_hash=5)


class FakeBox:
    """Draft boxes by chat; `offline` is raised."""

    def __init__(self, **_: object) -> None:
        self.texts: dict[int, str] = {}
        self.hashes: list[int | None] = []
        self.offline: Exception | None = None

    async def clear_draft(self, chat: Chat, *, is_own: Callable[[str], bool]) -> bool:
        if self.offline is not None:
            raise self.offline
        self.hashes.append(chat.access_hash)
        if not is_own(self.texts.get(chat.id, "")):
            return False
        del self.texts[chat.id]
        return True


@pytest.fixture
def box() -> FakeBox:
    return FakeBox()


@pytest.fixture
def journal(tmp_path: Path) -> ForgetJournal:
    return ForgetJournal(tmp_path / "forgotten.json")


@pytest.fixture
def leftovers(box: FakeBox, store: Store, thread: StoreThread, journal: ForgetJournal) -> LeftoverDrafts:
    return LeftoverDrafts(box, store, thread, journal=journal)


def entry(text: str, chat_id: int = 101) -> Entry:
    draft = DraftLeft(access_hash=5, digest=digest_draft(text))
    return Entry(chat_id=chat_id, chat_ids=(chat_id,), at=START, done=True, draft=draft)


async def test_a_draft_is_cleared_at_once_and_forgotten(leftovers: LeftoverDrafts, box: FakeBox, store: Store) -> None:
    store.facts.set(OWN_DRAFTS, {101: "mine", 102: "other"})
    box.texts = {101: "mine "}
    await leftovers.clear(VERA)
    assert box.texts == {} and store.facts.get(OWN_DRAFTS) == {102: "other"}


async def test_without_a_draft_telegram_is_not_asked(leftovers: LeftoverDrafts, box: FakeBox) -> None:
    await leftovers.clear(VERA)
    assert box.hashes == []


async def test_what_can_not_be_reached_stays_known(leftovers: LeftoverDrafts, box: FakeBox, store: Store) -> None:
    store.facts.set(OWN_DRAFTS, {101: "mine"})
    box.offline = OfflineError("no network")
    await leftovers.clear(VERA)
    assert store.facts.get(OWN_DRAFTS) == {101: "mine"}


async def test_queued_drafts_are_cleared_by_digest_and_the_owners_own_stays(
    leftovers: LeftoverDrafts, box: FakeBox, journal: ForgetJournal
) -> None:
    journal.put(entry("mine"))
    journal.put(entry("was mine", 102))
    box.texts = {101: " mine", 102: "the owner's own"}
    await leftovers.clear_queued()
    assert box.texts == {102: "the owner's own"} and box.hashes == [5, 5]
    assert [one.draft for one in journal.read()] == [None, None]


async def test_queued_drafts_wait_while_offline(
    leftovers: LeftoverDrafts, box: FakeBox, journal: ForgetJournal
) -> None:
    journal.put(entry("mine"))
    box.offline = OfflineError("no network")
    await leftovers.clear_queued()
    assert journal.read() == [entry("mine")]
    box.offline = None
    await leftovers.clear_queued()
    assert journal.read() == [replace(entry("mine"), draft=None)]


async def test_a_damaged_journal_does_not_stop_the_daemon(leftovers: LeftoverDrafts, tmp_path: Path) -> None:
    (tmp_path / "forgotten.json").write_text("{")
    await leftovers.clear_queued()
