"""The order of the steps: what puts an answer off, and what makes it begin anew."""

from __future__ import annotations

import asyncio
from dataclasses import replace

from fakes import FakeClock, bubble
from fakes_reply import PACED, Core, ScriptedGenerator, contact_says

from userbot.domain.events import ContactTyping, Deleted, Edited
from userbot.domain.messages import Chat
from userbot.store import Store
from userbot.store.replies import ReplyState


async def test_typing_of_the_contact_puts_the_answer_off(store: Store, clock: FakeClock, ally: Chat) -> None:
    async with Core(store, clock) as core:
        await core.receive(ally, contact_says(1, "wait", clock))
        await core.advance(5)
        await core.emit(ContactTyping(chat_id=101))
        await core.advance(6)
        assert core.messenger.sent == []
        await core.advance(2)
        assert len(core.messenger.sent) == 1


async def test_bubble_during_generation_cancels_it_and_starts_over(store: Store, clock: FakeClock, ally: Chat) -> None:
    gate = asyncio.Event()
    generator = ScriptedGenerator(gate=gate)
    async with Core(store, clock, generator) as core:
        await core.receive(ally, contact_says(1, "one", clock))
        await core.advance(8)
        assert len(generator.prompts) == 1
        await core.receive(ally, contact_says(2, "two", clock))
        assert generator.cancelled == 1
        gate.set()
        await core.advance(8)
        assert core.messenger.sent == [(101, "re: two")]
        assert generator.prompts[-1].turns[-1].bubbles == ("one", "two")


async def test_bubble_before_the_first_one_is_out_takes_the_answer_back(
    store: Store, clock: FakeClock, ally: Chat
) -> None:
    async with Core(store, clock, ScriptedGenerator("first", "both"), PACED) as core:
        await core.receive(ally, contact_says(1, "one", clock))
        await core.advance(7.1)
        assert len(store.replies.pending()) == 1
        await core.receive(ally, contact_says(2, "two", clock))
        assert store.replies.pending() == []
        await core.advance(60)
        assert core.messenger.sent == [(101, "both")]
    assert [d.state for d in store.replies.newest(limit=9)] == [ReplyState.SENT, ReplyState.CANCELLED]


async def test_bubble_between_two_of_the_answer_is_answered_after_them(
    store: Store, clock: FakeClock, ally: Chat
) -> None:
    generator = ScriptedGenerator("first|second", "third")
    async with Core(store, clock, generator, PACED) as core:
        await core.receive(ally, contact_says(1, "one", clock))
        while not core.messenger.sent:
            await core.advance(0.5)
        await core.receive(ally, contact_says(2, "two", clock))
        await core.advance(120)
        assert [text for _, text in core.messenger.sent] == ["first", "second", "third"]
        assert generator.prompts[-1].turns[-1].bubbles == ("two",)


async def test_edit_and_deletion_reach_the_answer(store: Store, clock: FakeClock, ally: Chat) -> None:
    generator = ScriptedGenerator()
    async with Core(store, clock, generator) as core:
        first = contact_says(1, "helo", clock)
        await core.receive(ally, first, contact_says(2, "oops", clock))
        await core.advance(5)
        await core.emit(Edited(message=replace(first, text="hello", edited_at=clock())))
        await core.emit(Deleted(message_ids=(2,)))
        await core.advance(6)
        assert generator.prompts == []
        await core.advance(2)
        assert generator.prompts[-1].turns[-1].bubbles == ("hello",)


async def test_deleted_burst_is_not_answered(store: Store, clock: FakeClock, ally: Chat) -> None:
    async with Core(store, clock) as core:
        await core.receive(ally, contact_says(1, "oops", clock))
        await core.emit(Deleted(message_ids=(1,)))
        await core.advance(60)
        assert core.messenger.acts == []


async def test_unanswered_burst_is_answered_after_a_restart(store: Store, clock: FakeClock, ally: Chat) -> None:
    store.messages.add([bubble(1, "hi")])
    async with Core(store, clock) as core:
        await core.advance(8)
        assert core.messenger.sent == [(101, "re: hi")]
