"""The order of the steps: what puts an answer off, and what makes it begin anew."""

from __future__ import annotations

import asyncio
from dataclasses import replace

from fakes import FakeClock, bubble
from fakes_reply import CONFIRMED, PACED, Core, ScriptedGenerator, contact_says

from userbot.domain.events import ContactTyping, Deleted, Edited
from userbot.domain.messages import Chat, ChatKind, Message, Mode
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


async def test_contact_who_asks_for_no_bot_gets_one_sentence_and_nothing_more(
    store: Store, clock: FakeClock, ally: Chat
) -> None:
    store.consents.give(101, by="Vera")
    generator = ScriptedGenerator("hey", "more")
    async with Core(store, clock, generator) as core:
        await core.receive(ally, contact_says(1, "hi", clock))
        await core.receive(ally, contact_says(2, "не отвечай мне ботом", clock))
        await core.advance(60)
        await core.receive(ally, contact_says(3, "so?", clock))
        await core.advance(600)
        assert core.messenger.sent == [(101, CONFIRMED)]
        [told] = core.messenger.notified
    assert generator.prompts == []
    assert "101" in told and "не отвечай" not in told
    chat = store.chats.get(101)
    assert chat is not None and (chat.mode, chat.consent_at) == (Mode.OFF, None)


async def test_wish_that_comes_while_the_answer_is_written_drops_it(store: Store, clock: FakeClock, ally: Chat) -> None:
    gate = asyncio.Event()
    generator = ScriptedGenerator(gate=gate)
    async with Core(store, clock, generator) as core:
        await core.receive(ally, contact_says(1, "hi", clock))
        await core.advance(60)
        assert len(generator.prompts) == 1
        await core.receive(ally, contact_says(2, "Stop answering me with a bot", clock))
        assert generator.cancelled == 1
        gate.set()
        await core.advance(60)
        assert core.messenger.sent == [(101, CONFIRMED)]


async def test_member_of_a_group_is_left_alone_and_the_others_are_answered(store: Store, clock: FakeClock) -> None:
    group = Chat(id=-300, kind=ChatKind.GROUP, title="Hike")
    store.chats.save([group])
    store.chats.set_mode(group.id, Mode.AUTO)

    def says(message_id: int, text: str, sender_id: int) -> Message:
        return replace(contact_says(message_id, text, clock, -300), sender_id=sender_id, sender_name=f"M{sender_id}")

    generator = ScriptedGenerator("one", "two")
    async with Core(store, clock, generator) as core:
        await core.receive(group, says(1, "не надо мне отвечать ботом", 5))
        await core.advance(60)
        await core.receive(group, says(2, "and me?", 5), mentions_owner=True)
        await core.advance(60)
        assert core.messenger.sent == [(-300, CONFIRMED)]
        await core.receive(group, says(3, "and me?", 6), mentions_owner=True)
        await core.advance(60)
        assert core.messenger.sent == [(-300, CONFIRMED), (-300, "one")]
    assert all("M5" not in bubble for turn in generator.prompts[0].turns for bubble in turn.bubbles)


async def test_wish_stored_before_a_crash_is_followed_at_the_start(store: Store, clock: FakeClock, ally: Chat) -> None:
    store.messages.add([contact_says(1, "don't let a bot answer me", clock)])
    generator = ScriptedGenerator("no")
    async with Core(store, clock, generator) as core:
        await core.advance(60)
        assert core.messenger.sent == [(101, CONFIRMED)]
    assert generator.prompts == []


async def test_message_of_invisible_characters_puts_no_answer_off_and_gets_none(
    store: Store, clock: FakeClock, ally: Chat
) -> None:
    generator = ScriptedGenerator()
    async with Core(store, clock, generator) as core:
        await core.receive(ally, contact_says(1, "hi", clock))
        await core.advance(5)
        await core.receive(ally, contact_says(2, "\u3164", clock))
        await core.advance(3)
        assert core.messenger.sent == [(101, "re: hi")]
        await core.receive(ally, contact_says(3, "\u200b\u2800", clock))
        await core.advance(600)
        assert len(core.messenger.sent) == 1
    assert [prompt.turns[-1].bubbles for prompt in generator.prompts] == [("hi",)]
