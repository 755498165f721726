"""One decision at a time: from what waits in a chat to a committed answer, a hold or a refusal."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import timedelta

import pytest
from fakes import START, FakeClock
from fakes_reply import Core, FakePrivacyCheck, ScriptedGenerator, contact_says, owner_says, reply_config

from userbot.domain.errors import (
    GeneratorError,
    GeneratorUnavailableError,
)
from userbot.domain.events import OwnerOnline
from userbot.domain.messages import Chat, ChatKind, Mode, Reply
from userbot.domain.prompt_rules import PromptRules
from userbot.reply.context import find_burst
from userbot.store import Store
from userbot.store.replies import ReplyState


async def test_burst_of_an_allowed_friend_gets_one_answer(store: Store, clock: FakeClock, ally: Chat) -> None:
    generator = ScriptedGenerator("hey|what's up")
    async with Core(store, clock, generator) as core:
        await core.receive(ally, contact_says(1, "hi", clock))
        await core.advance(5)
        await core.receive(ally, contact_says(2, "you there?", clock))
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
        await core.receive(ally, contact_says(1, "hi", clock))
        await core.advance(150)
        assert core.messenger.sent == [(101, "back")]
        await core.receive(ally, contact_says(2, "and?", clock))
        await core.advance(2 * 3600)
        tried = len(generator.prompts)
        await core.advance(600)
        assert len(generator.prompts) == tried
    assert store.replies.newest()[0].state is ReplyState.REFUSED


async def test_draft_mode_fills_the_draft_box_and_sends_nothing(store: Store, clock: FakeClock, ally: Chat) -> None:
    store.chats.set_mode(101, Mode.DRAFT)
    async with Core(store, clock, ScriptedGenerator("one|two")) as core:
        await core.receive(ally, contact_says(1, "hi", clock))
        await core.advance(60)
        assert core.messenger.drafts == {101: "one\ntwo"}
        assert core.messenger.acts == []
    assert store.replies.newest()[0].state is ReplyState.DRAFTED


@pytest.mark.parametrize("mode", [Mode.AUTO, Mode.DRAFT])
async def test_private_answer_ends_the_burst_and_the_owner_is_told_without_its_words(
    store: Store, clock: FakeClock, ally: Chat, mode: Mode, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    store.chats.set_mode(101, mode)
    generator = ScriptedGenerator("it is 4711", "fine")
    async with Core(store, clock, generator, privacy=FakePrivacyCheck(**{"4711": "a number"})) as core:
        await core.receive(ally, contact_says(1, "the code?", clock))
        await core.advance(600)
        await core.responder.review()  # as after a restart
        await core.advance(600)
        assert (core.messenger.sent, core.messenger.drafts) == ([], {})
        [told] = core.messenger.notified
    assert generator.script == ["fine"]
    assert "Vera" in told and "a number" in told and "4711" not in told
    decision = store.replies.newest()[0]
    assert (decision.state, decision.reason) == (ReplyState.WITHHELD, "private: a number")
    assert "4711" not in caplog.text


async def test_third_finding_of_a_day_leaves_the_chat_to_drafts_and_they_pass_the_guard_too(
    store: Store, clock: FakeClock, ally: Chat
) -> None:
    generator = ScriptedGenerator(*["it is 4711"] * 4, "fine")
    async with Core(store, clock, generator, privacy=FakePrivacyCheck(**{"4711": "a number"})) as core:
        for n in range(1, 6):
            await core.receive(ally, contact_says(n, "the code?", clock))
            await core.advance(60)
        assert (core.messenger.sent, core.messenger.drafts) == ([], {101: "fine"})
        assert ["drafts only" in told for told in core.messenger.notified] == [False, False, True, False]
    assert [answer.text for answer in store.withheld.newest(limit=9)] == ["it is 4711"] * 4


async def test_contact_who_writes_on_does_not_undo_the_record(store: Store, clock: FakeClock, ally: Chat) -> None:
    generator = ScriptedGenerator("it is 4711", "fine")
    async with Core(store, clock, generator, privacy=FakePrivacyCheck(**{"4711": "a number"})) as core:
        core.messenger.notice_gate = asyncio.Event()
        await core.receive(ally, contact_says(1, "the code?", clock))
        await core.advance(30)
        await core.receive(ally, contact_says(2, "well?", clock))
        core.messenger.notice_gate.set()
        await core.advance(60)
        assert core.messenger.sent == [(101, "fine")]
        assert len(core.messenger.notified) == 1
    assert generator.prompts[1].turns[-1].bubbles[-1] == "well?"


async def test_nothing_is_written_before_the_guard_knows_all_messages(
    store: Store, clock: FakeClock, ally: Chat
) -> None:
    privacy = FakePrivacyCheck()
    privacy.ready = False
    generator = ScriptedGenerator("hey")
    async with Core(store, clock, generator, privacy=privacy) as core:
        await core.receive(ally, contact_says(1, "hi", clock))
        await core.advance(60)
        assert generator.prompts == []
        assert store.replies.newest()[0].reason == "the disclosure index does not hold all messages yet"
        privacy.ready = True
        await core.advance(60)
        assert core.messenger.sent == [(101, "hey")]


async def test_owners_draft_is_left_alone(store: Store, clock: FakeClock, ally: Chat) -> None:
    store.chats.set_mode(101, Mode.DRAFT)
    async with Core(store, clock) as core:
        core.messenger.drafts[101] = "the owner's"
        await core.receive(ally, contact_says(1, "hi", clock))
        await core.advance(60)
        assert core.messenger.drafts == {101: "the owner's"}
    assert store.replies.newest()[0].reason == "the owner has a draft there"


async def test_group_is_answered_only_when_addressed_and_by_a_quote(store: Store, clock: FakeClock) -> None:
    group = Chat(id=-300, kind=ChatKind.GROUP, title="Hike")
    store.chats.save([group])
    store.chats.set_mode(group.id, Mode.AUTO)
    async with Core(store, clock) as core:
        await core.receive(group, contact_says(1, "who comes", clock, -300))
        await core.advance(60)
        assert core.messenger.sent == []
        await core.receive(group, contact_says(2, "and you?", clock, -300), mentions_owner=True)
        await core.advance(60)
        assert core.messenger.sent == [(-300, "re: and you?")]
        assert core.messenger.quotes == [2]


async def test_stale_message_is_read_and_not_answered(store: Store, clock: FakeClock, ally: Chat) -> None:
    async with Core(store, clock) as core:
        await core.receive(ally, replace(contact_says(1, "hi", clock), sent_at=START - timedelta(hours=2)))
        await core.advance(60)
        assert core.messenger.acts == []
    assert store.messages.count() == 1
    assert (store.replies.newest()[0].state, store.replies.newest()[0].reason) == (
        ReplyState.REFUSED,
        "older than 3600 s",
    )


async def test_held_burst_that_grows_stale_is_refused(store: Store, clock: FakeClock, ally: Chat) -> None:
    store.chats.pause(101, START + timedelta(hours=5))
    async with Core(store, clock) as core:
        await core.receive(ally, contact_says(1, "hi", clock))
        await core.advance(60)
        assert store.replies.newest()[0].state is ReplyState.HELD
        await core.advance(4000)
        assert store.replies.newest()[0].state is ReplyState.REFUSED


async def test_owner_online_holds_the_answer_until_he_was_away(store: Store, clock: FakeClock, ally: Chat) -> None:
    config = reply_config(pace=0, only_offline_min=10)
    async with Core(store, clock, config=config) as core:
        await core.emit(OwnerOnline(online=True))
        await core.receive(ally, contact_says(1, "hi", clock))
        await core.advance(100)
        await core.emit(OwnerOnline(online=False))
        await core.advance(500)
        assert core.messenger.sent == []
        await core.advance(200)
        assert len(core.messenger.sent) == 1


async def test_owner_must_write_after_so_many_replies_in_several_bubbles(
    store: Store, clock: FakeClock, ally: Chat
) -> None:
    config = reply_config(pace=0, context_messages=6, max_without_owner=3)
    generator = ScriptedGenerator("a|b|c|d", "e|f|g|h", "i|j|k|l")
    async with Core(store, clock, generator, config) as core:
        for number, text in enumerate(["one", "what else", "and then", "go on please"], 1):
            await core.receive(ally, contact_says(number * 10, text, clock))
            await core.advance(60)
        assert len(core.messenger.sent) == 12
        assert store.replies.newest()[0].reason == "3 replies without the owner: it is the owner's turn"
        await core.receive(ally, owner_says(99, "me again", clock))
        await core.advance(1801)
        await core.receive(ally, contact_says(100, "good", clock))
        await core.advance(60)
        assert core.messenger.sent[12:] == [(101, "re: good")]


async def test_model_server_away_holds_the_answer_with_the_reason(store: Store, clock: FakeClock, ally: Chat) -> None:
    away = GeneratorUnavailableError("The model server is away.")
    async with Core(store, clock, ScriptedGenerator(away, GeneratorError("It failed."), "back")) as core:
        await core.receive(ally, contact_says(1, "hi", clock))
        await core.advance(8)
        held = store.replies.newest()[0]
        assert (held.state, held.reason) == (
            ReplyState.HELD,
            "The model server is away.",
        )
        await core.advance(100)
        assert core.messenger.sent == [(101, "back")]
    assert len(store.replies.newest(limit=9)) == 1


async def test_unfit_reply_is_written_anew_and_then_held(store: Store, clock: FakeClock, ally: Chat) -> None:
    cut = Reply(bubbles=("so I",), finish="length")
    async with Core(store, clock, ScriptedGenerator(cut, "", "fine", cut, cut, cut)) as core:
        await core.receive(ally, contact_says(1, "hi", clock))
        await core.advance(8)
        assert core.messenger.sent == [(101, "fine")]
        timings = store.replies.newest()[0].timings
        assert timings is not None and timings["tries"] == 3
        await core.receive(ally, contact_says(2, "and?", clock))
        await core.advance(600)
        assert len(core.messenger.sent) == 1
    held = store.replies.newest()[0]
    assert (held.state, held.reason) == (
        ReplyState.HELD,
        "not fit to send: cut at the longest length",
    )


async def test_redelivered_message_is_not_answered_twice(store: Store, clock: FakeClock, ally: Chat) -> None:
    async with Core(store, clock) as core:
        message = contact_says(1, "hi", clock)
        await core.receive(ally, message)
        await core.advance(60)
        await core.receive(ally, message)
        await core.advance(60)
        assert len(core.messenger.sent) == 1


async def test_prompt_is_cut_as_the_active_adapter_was_trained(store: Store, clock: FakeClock, ally: Chat) -> None:
    generator = ScriptedGenerator()
    generator.rules_by_adapter["a2"] = PromptRules(session_gap=timedelta(minutes=10), system_line=False)
    async with Core(store, clock, generator) as core:
        await core.receive(ally, contact_says(1, "hi", clock))
        await core.advance(1800)
        await core.receive(ally, contact_says(2, "so?", clock))
        await core.advance(60)
        await generator.activate("a2")
        await core.advance(1800)
        await core.receive(ally, contact_says(3, "and?", clock))
        await core.advance(60)
    assert [(len(prompt.turns), prompt.system) for prompt in generator.prompts] == [
        (1, "Chat with Vera."),
        (3, "Chat with Vera."),
        (1, None),
    ]


async def test_topics_of_a_forum_are_answered_apart_one_after_the_other(store: Store, clock: FakeClock) -> None:
    forum = Chat(id=-300, kind=ChatKind.GROUP, title="Hike")
    store.chats.save([forum])
    store.chats.set_mode(forum.id, Mode.AUTO)
    generator = ScriptedGenerator()
    async with Core(store, clock, generator) as core:
        for message_id, topic_id, text in ((1, 7, "in seven"), (2, None, "in general"), (3, 7, "seven again")):
            message = replace(contact_says(message_id, text, clock, -300), topic_id=topic_id)
            await core.receive(forum, message, mentions_owner=True)
        await core.advance(120)
        assert [prompt.turns[-1].bubbles for prompt in generator.prompts] == [
            ("in general",),
            ("in seven", "seven again"),
        ]
        assert core.messenger.sent == [(-300, "re: in general"), (-300, "re: seven again")]


async def test_owner_who_writes_in_one_topic_leaves_the_others_waiting(store: Store, clock: FakeClock) -> None:
    forum = Chat(id=-300, kind=ChatKind.GROUP, title="Hike")
    store.chats.save([forum])
    store.messages.add(
        [
            replace(contact_says(1, "in seven", clock, -300), topic_id=7),
            replace(contact_says(2, "in eight", clock, -300), topic_id=8),
            replace(owner_says(3, "yes", clock, -300), topic_id=8),
        ]
    )
    window = store.messages.window(-300, limit=9)
    assert [message.id for message in find_burst(window, handled_id=0)] == [1]


INTRODUCED = "A program answers for me at times."


async def test_first_automatic_answer_in_a_chat_begins_with_the_line_that_introduces_the_clone(
    store: Store, clock: FakeClock, ally: Chat
) -> None:
    generator, config = ScriptedGenerator(), replace(reply_config(pace=0), introduction=INTRODUCED)
    async with Core(store, clock, generator, config) as core:
        for number, text in enumerate(["hi", "at home?"], 1):
            await core.receive(ally, contact_says(number, text, clock))
            await core.advance(60)
        assert [text for _, text in core.messenger.sent] == [INTRODUCED, "re: hi", "re: at home?"]
    # Nobody said it, so no model is to go on from it.
    assert [bubble for turn in generator.prompts[-1].turns for bubble in turn.bubbles] == ["hi", "re: hi", "at home?"]
    async with Core(store, clock, ScriptedGenerator(), config) as core:
        await core.receive(ally, contact_says(9, "again", clock))
        await core.advance(60)
        assert [text for _, text in core.messenger.sent] == ["re: again"]


async def test_draft_has_no_line_that_introduces_the_clone(store: Store, clock: FakeClock, ally: Chat) -> None:
    store.chats.set_mode(ally.id, Mode.DRAFT)
    config = replace(reply_config(pace=0), introduction=INTRODUCED)
    async with Core(store, clock, ScriptedGenerator("hey"), config) as core:
        await core.receive(ally, contact_says(1, "hi", clock))
        await core.advance(60)
        assert core.messenger.drafts == {ally.id: "hey"}
