"""The reply path as a whole, on fakes: what is answered, when, and what stops it."""

from __future__ import annotations

import asyncio
import sqlite3
from dataclasses import replace
from datetime import timedelta

import pytest
from fakes import START, FakeClock, bubble
from fakes_reply import INSTANT, Core, ScriptedGenerator

from userbot.domain.errors import (
    FloodError,
    GeneratorError,
    GeneratorUnavailableError,
    OfflineError,
    SessionLostError,
    SpamLimitError,
    TelegramError,
)
from userbot.domain.events import ContactTyping, Deleted, Edited, OwnerActive, OwnerOnline
from userbot.domain.messages import Chat, ChatKind, Message, Mode, Origin, Reply
from userbot.reply.pacing import Pace
from userbot.reply.policy import Rules
from userbot.store import Store
from userbot.store.replies import Bubble, Decision, OutboxState, ReplyState

STRANGER = Chat(id=202, kind=ChatKind.PRIVATE, title="Stranger")
PACED = replace(INSTANT, pace=Pace(scale=1))


@pytest.fixture
def ally(store: Store, friend: Chat) -> Chat:
    store.chats.set_mode(friend.id, Mode.AUTO)
    return friend


def _contact(message_id: int, text: str, clock: FakeClock, chat_id: int = 101) -> Message:
    return Message(chat_id=chat_id, id=message_id, origin=Origin.CONTACT, sent_at=clock(), text=text)


def _owner(message_id: int, text: str, clock: FakeClock) -> Message:
    return Message(chat_id=101, id=message_id, origin=Origin.OWNER, sent_at=clock(), text=text)


async def test_burst_of_an_allowed_friend_gets_one_answer(store: Store, clock: FakeClock, ally: Chat) -> None:
    generator = ScriptedGenerator("hey|what's up")
    async with Core(store, clock, generator) as core:
        await core.hear(ally, _contact(1, "hi", clock))
        await core.advance(5)
        await core.hear(ally, _contact(2, "you there?", clock))
        await core.advance(6)
        assert core.messenger.sent == []
        await core.advance(60)
        assert core.messenger.sent == [(101, "hey"), (101, "what's up")]
        assert [prompt.turns[-1].bubbles for prompt in generator.prompts] == [("hi", "you there?")]
    [decision] = store.replies.newest(limit=9)
    assert (decision.state, decision.trigger_id, decision.adapter_id) == (ReplyState.SENT, 2, "a1")
    assert decision.context_ids == (1, 2)


async def test_failure_that_nobody_foresaw_is_tried_again_as_long_as_an_answer_makes_sense(
    store: Store, clock: FakeClock, ally: Chat
) -> None:
    generator = ScriptedGenerator(*[ZeroDivisionError()] * 2, "back", *[ZeroDivisionError()] * 99)
    async with Core(store, clock, generator) as core:
        await core.hear(ally, _contact(1, "hi", clock))
        await core.advance(150)
        assert core.messenger.sent == [(101, "back")]
        await core.hear(ally, _contact(2, "and?", clock))
        await core.advance(2 * 3600)
        tried = len(generator.prompts)
        await core.advance(600)
        assert len(generator.prompts) == tried
    assert store.replies.newest()[0].state is ReplyState.REFUSED


async def test_store_that_fails_for_a_while_ends_nothing_and_doubles_nothing(
    store: Store, clock: FakeClock, ally: Chat, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise sqlite3.OperationalError("database or disk is full")

    async with Core(store, clock, ScriptedGenerator("hey")) as core:
        with monkeypatch.context() as full:
            for name in ("mark_sent", "fail", "cancel", "claim"):
                full.setattr(store.replies, name, fail)
            await core.hear(ally, _contact(1, "hi", clock))
            await core.advance(300)
        await core.advance(60)
        assert core.messenger.sent == [(101, "hey")]
        assert core.failures == []
    assert store.replies.newest()[0].state is ReplyState.SENT


async def test_stranger_gets_nothing_and_is_not_stored(store: Store, clock: FakeClock, ally: Chat) -> None:
    async with Core(store, clock) as core:
        await core.hear(STRANGER, _contact(1, "hello", clock, 202))
        await core.advance(600)
        assert core.messenger.acts == []
    assert store.chats.get(202) is None
    assert store.messages.count() == 0


async def test_known_chat_that_is_off_is_not_stored_but_one_with_consent_is(
    store: Store, clock: FakeClock, friend: Chat
) -> None:
    async with Core(store, clock) as core:
        await core.hear(friend, _contact(1, "hi", clock))
        assert store.messages.count() == 0
        store.chats.record_consent(friend.id, by="Vera")
        await core.hear(friend, _contact(2, "hi", clock))
        await core.advance(600)
        assert store.messages.count() == 1
        assert core.messenger.acts == []


async def test_read_comes_first_then_typing_then_the_bubble(store: Store, clock: FakeClock, ally: Chat) -> None:
    async with Core(store, clock, ScriptedGenerator("a longer answer of some forty characters"), PACED) as core:
        await core.hear(ally, _contact(1, "hi", clock))
        await core.advance(120)
        acts = [name for name, _ in core.messenger.acts]
    assert acts[:2] == ["read", "typing"]
    assert acts[-1] == "send"
    assert 2 <= acts.count("typing") <= 3


async def test_typing_of_the_contact_puts_the_answer_off(store: Store, clock: FakeClock, ally: Chat) -> None:
    async with Core(store, clock) as core:
        await core.hear(ally, _contact(1, "wait", clock))
        await core.advance(5)
        await core.tell(ContactTyping(chat_id=101))
        await core.advance(6)
        assert core.messenger.sent == []
        await core.advance(2)
        assert len(core.messenger.sent) == 1


async def test_bubble_during_generation_cancels_it_and_starts_over(store: Store, clock: FakeClock, ally: Chat) -> None:
    gate = asyncio.Event()
    generator = ScriptedGenerator(gate=gate)
    async with Core(store, clock, generator) as core:
        await core.hear(ally, _contact(1, "one", clock))
        await core.advance(8)
        assert len(generator.prompts) == 1
        await core.hear(ally, _contact(2, "two", clock))
        assert generator.cancelled == 1
        gate.set()
        await core.advance(8)
        assert core.messenger.sent == [(101, "re: two")]
        assert generator.prompts[-1].turns[-1].bubbles == ("one", "two")


async def test_bubble_before_the_first_one_is_out_takes_the_answer_back(
    store: Store, clock: FakeClock, ally: Chat
) -> None:
    async with Core(store, clock, ScriptedGenerator("first", "both"), PACED) as core:
        await core.hear(ally, _contact(1, "one", clock))
        await core.advance(7.1)
        assert len(store.replies.pending()) == 1
        await core.hear(ally, _contact(2, "two", clock))
        assert store.replies.pending() == []
        await core.advance(60)
        assert core.messenger.sent == [(101, "both")]
    assert [d.state for d in store.replies.newest(limit=9)] == [ReplyState.SENT, ReplyState.CANCELLED]


async def test_bubble_between_two_of_the_answer_is_answered_after_them(
    store: Store, clock: FakeClock, ally: Chat
) -> None:
    generator = ScriptedGenerator("first|second", "third")
    async with Core(store, clock, generator, PACED) as core:
        await core.hear(ally, _contact(1, "one", clock))
        while not core.messenger.sent:
            await core.advance(0.5)
        await core.hear(ally, _contact(2, "two", clock))
        await core.advance(120)
        assert [text for _, text in core.messenger.sent] == ["first", "second", "third"]
        assert generator.prompts[-1].turns[-1].bubbles == ("two",)


async def test_edit_and_deletion_reach_the_answer(store: Store, clock: FakeClock, ally: Chat) -> None:
    generator = ScriptedGenerator()
    async with Core(store, clock, generator) as core:
        first = _contact(1, "helo", clock)
        await core.hear(ally, first, _contact(2, "oops", clock))
        await core.advance(5)
        await core.tell(Edited(message=replace(first, text="hello", edited_at=clock())))
        await core.tell(Deleted(message_ids=(2,)))
        await core.advance(6)
        assert generator.prompts == []
        await core.advance(2)
        assert generator.prompts[-1].turns[-1].bubbles == ("hello",)


async def test_deleted_burst_is_not_answered(store: Store, clock: FakeClock, ally: Chat) -> None:
    async with Core(store, clock) as core:
        await core.hear(ally, _contact(1, "oops", clock))
        await core.tell(Deleted(message_ids=(1,)))
        await core.advance(60)
        assert core.messenger.acts == []


class TestTakeover:
    async def test_owner_message_cancels_the_pending_reply_and_pauses_the_chat(
        self, store: Store, clock: FakeClock, ally: Chat
    ) -> None:
        async with Core(store, clock, ScriptedGenerator("mine"), PACED) as core:
            await core.hear(ally, _contact(1, "hi", clock))
            await core.advance(7.1)
            assert len(store.replies.pending()) == 1
            await core.hear(ally, _owner(2, "I am here", clock))
            assert store.replies.pending() == []
            await core.hear(ally, _contact(3, "good", clock))
            await core.advance(1700)
            assert core.messenger.sent == []
            assert store.replies.newest()[0].reason == "the chat is paused"
            await core.advance(200)
            assert [text for _, text in core.messenger.sent] == ["re: good"]

    async def test_pause_restarts_with_each_owner_message(self, store: Store, clock: FakeClock, ally: Chat) -> None:
        async with Core(store, clock) as core:
            await core.hear(ally, _owner(2, "a", clock))
            await core.advance(1000)
            await core.hear(ally, _owner(3, "b", clock))
            chat = store.chats.get(101)
            assert chat is not None and chat.paused_until == clock() + timedelta(seconds=1800)

    async def test_pause_survives_a_restart(self, store: Store, clock: FakeClock, ally: Chat) -> None:
        async with Core(store, clock) as core:
            await core.hear(ally, _owner(1, "a", clock))
            await core.hear(ally, _contact(2, "hi", clock))
        clock.advance(60)
        async with Core(store, clock) as core:
            await core.advance(1000)
            assert core.messenger.sent == []
            await core.advance(1000)
            assert core.messenger.sent == [(101, "re: hi")]

    @pytest.mark.parametrize("action", ["read", "draft"])
    async def test_reading_or_drafting_elsewhere_takes_over(
        self, store: Store, clock: FakeClock, ally: Chat, action: str
    ) -> None:
        async with Core(store, clock, ScriptedGenerator("mine"), PACED) as core:
            await core.hear(ally, _contact(1, "hi", clock))
            await core.advance(7.1)
            await core.tell(OwnerActive(chat_id=101, action=action))
            await core.advance(600)
            assert core.messenger.sent == []
            chat = store.chats.get(101)
            assert chat is not None and chat.paused_until is not None

    async def test_owner_in_a_chat_that_is_off_changes_nothing(
        self, store: Store, clock: FakeClock, friend: Chat
    ) -> None:
        async with Core(store, clock) as core:
            await core.tell(OwnerActive(chat_id=101, action="read"))
        chat = store.chats.get(101)
        assert chat is not None and chat.paused_until is None

    async def test_automatic_message_is_no_takeover(self, store: Store, clock: FakeClock, ally: Chat) -> None:
        async with Core(store, clock) as core:
            await core.hear(ally, _owner(1, "I am away", clock), automatic=True)
        chat = store.chats.get(101)
        assert chat is not None and chat.paused_until is None
        assert store.messages.count(Origin.OWNER) == 1

    async def test_old_owner_message_found_later_pauses_nothing(
        self, store: Store, clock: FakeClock, ally: Chat
    ) -> None:
        async with Core(store, clock) as core:
            late = replace(_owner(1, "a", clock), sent_at=START - timedelta(hours=2))
            await core.hear(ally, late)
        chat = store.chats.get(101)
        assert chat is not None and chat.paused_until is None

    async def test_echo_that_comes_before_the_answer_is_not_the_owner(
        self, store: Store, clock: FakeClock, ally: Chat
    ) -> None:
        async with Core(store, clock, ScriptedGenerator("one|two")) as core:
            core.messenger.gate = asyncio.Event()
            await core.hear(ally, _contact(1, "hi", clock))
            await core.advance(8)
            assert core.outbox.is_sending(101)
            await core.hear(ally, _owner(1001, "one", clock))
            core.messenger.gate.set()
            await core.settle()
            await core.advance(5)
            assert [text for _, text in core.messenger.sent] == ["one", "two"]
        chat = store.chats.get(101)
        assert chat is not None and chat.paused_until is None
        assert store.messages.count(Origin.OWNER) == 0

    async def test_echo_after_a_crash_in_mid_send_is_not_the_owner_and_not_sent_again(
        self, store: Store, clock: FakeClock, ally: Chat
    ) -> None:
        store.messages.add([_contact(1, "hi", clock)])
        store.replies.decide(
            Decision(chat_id=101, trigger_id=1, state=ReplyState.QUEUED),
            [Bubble(text="hey", random_id=5, due_at=START + timedelta(seconds=30))],
        )
        store.replies.claim(store.replies.pending()[0].id)
        async with Core(store, clock) as core:
            await core.hear(ally, _owner(1001, "hey", clock))
            await core.advance(60)
            assert core.messenger.sent == []
        assert store.replies.newest()[0].state is ReplyState.SENT
        assert store.messages.count(Origin.OWNER) == 0


class TestModes:
    async def test_draft_mode_fills_the_draft_box_and_sends_nothing(
        self, store: Store, clock: FakeClock, ally: Chat
    ) -> None:
        store.chats.set_mode(101, Mode.DRAFT)
        async with Core(store, clock, ScriptedGenerator("one|two")) as core:
            await core.hear(ally, _contact(1, "hi", clock))
            await core.advance(60)
            assert core.messenger.drafts == {101: "one\ntwo"}
            assert core.messenger.acts == []
        assert store.replies.newest()[0].state is ReplyState.DRAFTED

    async def test_owners_draft_is_left_alone(self, store: Store, clock: FakeClock, ally: Chat) -> None:
        store.chats.set_mode(101, Mode.DRAFT)
        async with Core(store, clock) as core:
            core.messenger.drafts[101] = "the owner's"
            await core.hear(ally, _contact(1, "hi", clock))
            await core.advance(60)
            assert core.messenger.drafts == {101: "the owner's"}
        assert store.replies.newest()[0].reason == "the owner has a draft there"

    async def test_group_is_answered_only_when_addressed_and_by_a_quote(self, store: Store, clock: FakeClock) -> None:
        group = Chat(id=-300, kind=ChatKind.GROUP, title="Hike")
        store.chats.save([group])
        store.chats.set_mode(group.id, Mode.AUTO)
        async with Core(store, clock) as core:
            await core.hear(group, _contact(1, "who comes", clock, -300))
            await core.advance(60)
            assert core.messenger.sent == []
            await core.hear(group, _contact(2, "and you?", clock, -300), mentions_owner=True)
            await core.advance(60)
            assert core.messenger.sent == [(-300, "re: and you?")]
            assert core.messenger.quotes == [2]


class TestHolding:
    async def test_stale_message_is_read_and_not_answered(self, store: Store, clock: FakeClock, ally: Chat) -> None:
        async with Core(store, clock) as core:
            await core.hear(ally, replace(_contact(1, "hi", clock), sent_at=START - timedelta(hours=2)))
            await core.advance(60)
            assert core.messenger.acts == []
        assert store.messages.count() == 1
        assert (store.replies.newest()[0].state, store.replies.newest()[0].reason) == (
            ReplyState.REFUSED,
            "older than 3600 s",
        )

    async def test_held_burst_that_grows_stale_is_refused(self, store: Store, clock: FakeClock, ally: Chat) -> None:
        store.chats.pause(101, START + timedelta(hours=5))
        async with Core(store, clock) as core:
            await core.hear(ally, _contact(1, "hi", clock))
            await core.advance(60)
            assert store.replies.newest()[0].state is ReplyState.HELD
            await core.advance(4000)
            assert store.replies.newest()[0].state is ReplyState.REFUSED

    async def test_owner_online_holds_the_answer_until_he_was_away(
        self, store: Store, clock: FakeClock, ally: Chat
    ) -> None:
        config = replace(INSTANT, rules=Rules(only_offline_s=600))
        async with Core(store, clock, config=config) as core:
            await core.tell(OwnerOnline(online=True))
            await core.hear(ally, _contact(1, "hi", clock))
            await core.advance(100)
            await core.tell(OwnerOnline(online=False))
            await core.advance(500)
            assert core.messenger.sent == []
            await core.advance(200)
            assert len(core.messenger.sent) == 1

    async def test_owner_must_write_after_so_many_replies_in_several_bubbles(
        self, store: Store, clock: FakeClock, ally: Chat
    ) -> None:
        config = replace(INSTANT, context_messages=6, rules=Rules(max_without_owner=3))
        generator = ScriptedGenerator("a|b|c|d", "e|f|g|h", "i|j|k|l")
        async with Core(store, clock, generator, config) as core:
            for number, text in enumerate(["one", "what else", "and then", "go on please"], 1):
                await core.hear(ally, _contact(number * 10, text, clock))
                await core.advance(60)
            assert len(core.messenger.sent) == 12
            assert store.replies.newest()[0].reason == "3 replies without the owner: it is the owner's turn"
            await core.hear(ally, _owner(99, "me again", clock))
            await core.advance(1801)
            await core.hear(ally, _contact(100, "good", clock))
            await core.advance(60)
            assert core.messenger.sent[12:] == [(101, "re: good")]

    async def test_model_server_away_holds_the_answer_with_the_reason(
        self, store: Store, clock: FakeClock, ally: Chat
    ) -> None:
        away = GeneratorUnavailableError("The model server is away.")
        async with Core(store, clock, ScriptedGenerator(away, GeneratorError("It failed."), "back")) as core:
            await core.hear(ally, _contact(1, "hi", clock))
            await core.advance(8)
            held = store.replies.newest()[0]
            assert (held.state, held.reason) == (
                ReplyState.HELD,
                "The model server is away.",
            )
            await core.advance(100)
            assert core.messenger.sent == [(101, "back")]
        assert len(store.replies.newest(limit=9)) == 1

    async def test_unfit_reply_is_written_anew_and_then_held(self, store: Store, clock: FakeClock, ally: Chat) -> None:
        cut = Reply(bubbles=("so I",), finish="length")
        async with Core(store, clock, ScriptedGenerator(cut, "", "fine", cut, cut, cut)) as core:
            await core.hear(ally, _contact(1, "hi", clock))
            await core.advance(8)
            assert core.messenger.sent == [(101, "fine")]
            timings = store.replies.newest()[0].timings
            assert timings is not None and timings["tries"] == 3
            await core.hear(ally, _contact(2, "and?", clock))
            await core.advance(600)
            assert len(core.messenger.sent) == 1
        held = store.replies.newest()[0]
        assert (held.state, held.reason) == (
            ReplyState.HELD,
            "not fit to send: cut at the longest length",
        )


class TestOutbox:
    async def test_flood_wait_stops_all_chats_until_it_is_over(
        self, store: Store, clock: FakeClock, ally: Chat
    ) -> None:
        other = Chat(id=103, kind=ChatKind.PRIVATE, title="Boris")
        store.chats.save([other])
        store.chats.set_mode(103, Mode.AUTO)
        async with Core(store, clock) as core:
            core.messenger.faults = [FloodError("Wait.", 300)]
            await core.hear(ally, _contact(1, "hi", clock))
            await core.advance(8)
            await core.hear(other, _contact(1, "yo", clock, 103))
            await core.advance(250)
            assert core.messenger.sent == []
            await core.advance(60)
            assert sorted(core.messenger.sent) == [(101, "re: hi"), (103, "re: yo")]

    async def test_slow_mode_of_one_chat_stops_no_other(self, store: Store, clock: FakeClock, ally: Chat) -> None:
        other = Chat(id=103, kind=ChatKind.PRIVATE, title="Boris")
        store.chats.save([other])
        store.chats.set_mode(103, Mode.AUTO)
        async with Core(store, clock) as core:
            core.messenger.faults = [FloodError("Wait.", 300, one_chat=True)]
            await core.hear(ally, _contact(1, "hi", clock))
            await core.advance(8)
            await core.hear(other, _contact(1, "yo", clock, 103))
            await core.advance(20)
            assert core.messenger.sent == [(103, "re: yo")]
            await core.advance(300)
            assert core.messenger.sent[1:] == [(101, "re: hi")]

    async def test_spam_limit_pauses_everything_and_tells_the_owner(
        self, store: Store, clock: FakeClock, ally: Chat
    ) -> None:
        async with Core(store, clock) as core:
            core.messenger.faults = [SpamLimitError("Telegram takes this account for a spammer.")]
            await core.hear(ally, _contact(1, "hi", clock))
            await core.advance(8)
            await core.hear(ally, _contact(2, "hello?", clock))
            await core.advance(600)
            assert core.messenger.sent == []
            assert core.messenger.told == ["All chats are paused for a day. Telegram takes this account for a spammer."]
        assert store.replies.newest()[0].reason == "everything is paused"

    async def test_lost_connection_is_tried_again_in_order(self, store: Store, clock: FakeClock, ally: Chat) -> None:
        async with Core(store, clock, ScriptedGenerator("a|b|c")) as core:
            core.messenger.faults = [OfflineError("gone"), OfflineError("gone")]
            await core.hear(ally, _contact(1, "hi", clock))
            await core.advance(60)
            assert [text for _, text in core.messenger.sent] == ["a", "b", "c"]

    async def test_refused_message_fails_the_reply_with_the_reason(
        self, store: Store, clock: FakeClock, ally: Chat
    ) -> None:
        async with Core(store, clock, ScriptedGenerator("a|b")) as core:
            core.messenger.faults = [TelegramError("Telegram refused: you are blocked.")]
            await core.hear(ally, _contact(1, "hi", clock))
            await core.advance(60)
            assert core.messenger.sent == []
        failed = store.replies.newest()[0]
        assert (failed.state, failed.reason) == (ReplyState.FAILED, "Telegram refused: you are blocked.")

    async def test_lost_session_stops_the_daemon_and_keeps_the_bubble(
        self, store: Store, clock: FakeClock, ally: Chat
    ) -> None:
        async with Core(store, clock) as core:
            core.messenger.faults = [SessionLostError("Revoked.")]
            await core.hear(ally, _contact(1, "hi", clock))
            await core.advance(8)
            assert [type(exc) for exc in core.failures] == [SessionLostError]
        assert len(store.replies.pending()) == 1

    async def test_pending_bubbles_are_delivered_after_a_restart_with_the_same_random_id(
        self, store: Store, clock: FakeClock, ally: Chat
    ) -> None:
        async with Core(store, clock, ScriptedGenerator("one|two"), PACED) as core:
            await core.hear(ally, _contact(1, "hi", clock))
            await core.advance(8)
        ids = [item.random_id for item in store.replies.pending()]
        assert len(ids) == 2
        async with Core(store, clock, config=PACED) as core:
            await core.advance(60)
            assert [text for _, text in core.messenger.sent] == ["one", "two"]
        assert [item.random_id for item in store.replies.parts(1)] == ids

    async def test_bubbles_left_for_too_long_are_not_sent(self, store: Store, clock: FakeClock, ally: Chat) -> None:
        async with Core(store, clock, ScriptedGenerator("late"), PACED) as core:
            await core.hear(ally, _contact(1, "hi", clock))
            await core.advance(8)
        clock.advance(5 * 3600)
        async with Core(store, clock) as core:
            await core.advance(60)
            assert core.messenger.acts == []
        assert store.replies.newest()[0].reason == "too late to send"
        assert store.replies.parts(1)[0].state is OutboxState.CANCELLED

    async def test_unanswered_burst_is_answered_after_a_restart(
        self, store: Store, clock: FakeClock, ally: Chat
    ) -> None:
        store.messages.add([bubble(1, "hi")])
        async with Core(store, clock) as core:
            await core.advance(8)
            assert core.messenger.sent == [(101, "re: hi")]

    async def test_redelivered_message_is_not_answered_twice(self, store: Store, clock: FakeClock, ally: Chat) -> None:
        async with Core(store, clock) as core:
            message = _contact(1, "hi", clock)
            await core.hear(ally, message)
            await core.advance(60)
            await core.hear(ally, message)
            await core.advance(60)
            assert len(core.messenger.sent) == 1
