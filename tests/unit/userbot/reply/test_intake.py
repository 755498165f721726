"""What is stored of what arrives, and whose words it is."""

from __future__ import annotations

from fakes import FakeClock
from fakes_reply import Core, contact_says

from userbot.domain.messages import Chat, ChatKind
from userbot.store import Store

STRANGER = Chat(id=202, kind=ChatKind.PRIVATE, title="Stranger")


async def test_stranger_gets_nothing_and_is_not_stored(store: Store, clock: FakeClock, ally: Chat) -> None:
    async with Core(store, clock) as core:
        await core.hear(STRANGER, contact_says(1, "hello", clock, 202))
        await core.advance(600)
        assert core.messenger.acts == []
    assert store.chats.get(202) is None
    assert store.messages.count() == 0


async def test_known_chat_that_is_off_is_not_stored_but_one_with_consent_is(
    store: Store, clock: FakeClock, friend: Chat
) -> None:
    async with Core(store, clock) as core:
        await core.hear(friend, contact_says(1, "hi", clock))
        assert store.messages.count() == 0
        store.chats.record_consent(friend.id, by="Vera")
        await core.hear(friend, contact_says(2, "hi", clock))
        await core.advance(600)
        assert store.messages.count() == 1
        assert core.messenger.acts == []
