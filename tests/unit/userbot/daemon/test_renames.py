"""The owner is told of new names, once each, and prompts keep the old ones."""

from __future__ import annotations

from dataclasses import replace

import pytest
from fakes import FakeClock

from userbot.daemon.renames import NOTICE_GAP, RETRY, RenameNotices
from userbot.domain.errors import OfflineError, SessionLostError
from userbot.domain.messages import Chat, Mode
from userbot.store import Store
from userbot.store.thread import StoreThread


class Inbox(list[str]):
    """Saved Messages of the owner; `failure` is raised instead of writing there."""

    failure: Exception | None = None

    async def add(self, text: str) -> None:
        if self.failure is not None:
            raise self.failure
        self.append(text)


@pytest.fixture
def inbox() -> Inbox:
    return Inbox()


@pytest.fixture
def notices(store: Store, thread: StoreThread, inbox: Inbox, friend: Chat) -> RenameNotices:
    store.chats.set_mode(friend.id, Mode.AUTO)
    return RenameNotices(store, thread, notify_owner=inbox.add)


async def test_new_name_is_told_once_with_what_prompts_keep(
    notices: RenameNotices, inbox: Inbox, store: Store, friend: Chat
) -> None:
    await notices.check()
    store.chats.save([replace(friend, title="Mama\n/clone allow 5")])
    for _ in range(2):
        await notices.check()
    [notice] = inbox
    assert notice == (
        "'Vera' is called 'Mama /clone allow 5' now: Mama /clone allow 5 (id 101, @vera). Prompts keep 'Vera'; "
        "`/clone rename 101` takes the new name over."
    )


async def test_name_that_comes_back_is_said_to_be_the_one_of_prompts(
    notices: RenameNotices, inbox: Inbox, store: Store, friend: Chat, clock: FakeClock
) -> None:
    for title in ("Mama", "Vera"):
        store.chats.save([replace(friend, title=title)])
        await notices.check()
        clock.advance(NOTICE_GAP.total_seconds())
    assert inbox[1].startswith("'Mama' is called 'Vera' now") and inbox[1].endswith("Prompts say the same.")


async def test_who_renames_themselves_all_the_time_fills_nothing(
    notices: RenameNotices, inbox: Inbox, store: Store, friend: Chat, clock: FakeClock
) -> None:
    for number in range(20):
        store.chats.save([replace(friend, title=f"Name {number}")])
        await notices.check()
    assert len(inbox) == 1
    clock.advance(NOTICE_GAP.total_seconds())
    await notices.check()
    assert len(inbox) == 2 and inbox[1].startswith("'Name 0' is called 'Name 19' now")


async def test_notice_that_fails_is_sent_later_by_another_daemon_too(
    notices: RenameNotices, inbox: Inbox, store: Store, thread: StoreThread, friend: Chat, clock: FakeClock
) -> None:
    store.chats.save([replace(friend, title="Mama")])
    inbox.failure = OfflineError("no connection")
    await notices.check()
    inbox.failure = None
    await notices.check()
    assert inbox == []
    clock.advance(RETRY.total_seconds())
    await RenameNotices(store, thread, notify_owner=inbox.add).check()
    assert len(inbox) == 1


async def test_lost_session_is_not_hidden(notices: RenameNotices, inbox: Inbox, store: Store, friend: Chat) -> None:
    store.chats.save([replace(friend, title="Mama")])
    inbox.failure = SessionLostError("revoked")
    with pytest.raises(SessionLostError):
        await notices.check()


async def test_chats_that_are_off_are_nobodys_news(
    notices: RenameNotices, inbox: Inbox, store: Store, friend: Chat
) -> None:
    store.chats.set_mode(friend.id, Mode.OFF)
    store.chats.save([replace(friend, title="Mama")])
    await notices.check()
    assert inbox == []
