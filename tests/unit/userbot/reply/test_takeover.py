"""The owner comes first: what they do in a chat stops the clone there."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from fakes import START, FakeClock
from fakes_reply import PACED, Core, ScriptedGenerator, contact_says, owner_says

from userbot.domain.events import OwnerActive
from userbot.domain.messages import Chat, Origin
from userbot.store import Store


async def test_owner_message_cancels_the_pending_reply_and_pauses_the_chat(
    store: Store, clock: FakeClock, ally: Chat
) -> None:
    async with Core(store, clock, ScriptedGenerator("mine"), PACED) as core:
        await core.receive(ally, contact_says(1, "hi", clock))
        await core.advance(7.1)
        assert len(store.replies.pending()) == 1
        await core.receive(ally, owner_says(2, "I am here", clock))
        assert store.replies.pending() == []
        await core.receive(ally, contact_says(3, "good", clock))
        await core.advance(1700)
        assert core.messenger.sent == []
        assert store.replies.newest()[0].reason == "the chat is paused"
        await core.advance(200)
        assert [text for _, text in core.messenger.sent] == ["re: good"]


async def test_pause_restarts_with_each_owner_message(store: Store, clock: FakeClock, ally: Chat) -> None:
    async with Core(store, clock) as core:
        await core.receive(ally, owner_says(2, "a", clock))
        await core.advance(1000)
        await core.receive(ally, owner_says(3, "b", clock))
        chat = store.chats.get(101)
        assert chat is not None and chat.paused_until == clock() + timedelta(seconds=1800)


async def test_pause_survives_a_restart(store: Store, clock: FakeClock, ally: Chat) -> None:
    async with Core(store, clock) as core:
        await core.receive(ally, owner_says(1, "a", clock))
        await core.receive(ally, contact_says(2, "hi", clock))
    clock.advance(60)
    async with Core(store, clock) as core:
        await core.advance(1000)
        assert core.messenger.sent == []
        await core.advance(1000)
        assert core.messenger.sent == [(101, "re: hi")]


@pytest.mark.parametrize("action", ["read", "draft"])
async def test_reading_or_drafting_elsewhere_takes_over(
    store: Store, clock: FakeClock, ally: Chat, action: str
) -> None:
    async with Core(store, clock, ScriptedGenerator("mine"), PACED) as core:
        await core.receive(ally, contact_says(1, "hi", clock))
        await core.advance(7.1)
        await core.emit(OwnerActive(chat_id=101, action=action))
        await core.advance(600)
        assert core.messenger.sent == []
        chat = store.chats.get(101)
        assert chat is not None and chat.paused_until is not None


async def test_owner_in_a_chat_that_is_off_changes_nothing(store: Store, clock: FakeClock, friend: Chat) -> None:
    async with Core(store, clock) as core:
        await core.emit(OwnerActive(chat_id=101, action="read"))
    chat = store.chats.get(101)
    assert chat is not None and chat.paused_until is None


async def test_automatic_message_is_no_takeover(store: Store, clock: FakeClock, ally: Chat) -> None:
    async with Core(store, clock) as core:
        await core.receive(ally, owner_says(1, "I am away", clock), automatic=True)
    chat = store.chats.get(101)
    assert chat is not None and chat.paused_until is None
    assert store.messages.count(Origin.OWNER) == 1


async def test_old_owner_message_found_later_pauses_nothing(store: Store, clock: FakeClock, ally: Chat) -> None:
    async with Core(store, clock) as core:
        late = replace(owner_says(1, "a", clock), sent_at=START - timedelta(hours=2))
        await core.receive(ally, late)
    chat = store.chats.get(101)
    assert chat is not None and chat.paused_until is None
