"""The burst, and the prompt that is built from the running session."""

from __future__ import annotations

from datetime import timedelta

import pytest
from fakes import START, bubble

from userbot.domain.messages import Chat, ChatKind, Message, Origin
from userbot.domain.prompt_rules import DEFAULT_RULES, PromptRules
from userbot.reply.context import build_context, find_burst, is_addressed, last_own_text

FRIEND = Chat(id=101, kind=ChatKind.PRIVATE, title="Vera")
GROUP = Chat(id=-55, kind=ChatKind.GROUP, title="Hike")


def _own(message_id: int, text: str, at_s: float = 0.0) -> Message:
    return bubble(message_id, text, origin=Origin.OWNER, at_s=at_s)


def _clone(message_id: int, text: str, at_s: float = 0.0) -> Message:
    return bubble(message_id, text, origin=Origin.CLONE, at_s=at_s)


def test_burst_is_what_came_after_the_owner_and_was_not_handled() -> None:
    window = [bubble(1, "a"), _own(2, "b"), bubble(3, "c"), bubble(4, "d"), bubble(5, "e")]
    assert [m.id for m in find_burst(window, handled_id=3)] == [4, 5]
    assert find_burst([*window, _own(6, "f")], handled_id=0) == ()


def test_bubble_between_two_of_the_clones_still_waits_and_is_asked_last() -> None:
    window = [bubble(1, "q1"), _clone(2, "a1"), bubble(3, "q2"), _clone(4, "a1b")]
    burst = find_burst(window, handled_id=1)
    context = build_context(FRIEND, window, burst, rules=DEFAULT_RULES)
    assert [turn.bubbles for turn in context.prompt.turns] == [("q1",), ("a1", "a1b"), ("q2",)]
    assert not context.prompt.turns[-1].mine


def test_context_is_the_running_session_and_says_who_the_contact_is() -> None:
    day_s = 86400.0
    window = [bubble(1, "old"), _own(2, "old too", 60), bubble(3, "new", at_s=day_s)]
    context = build_context(FRIEND, window, window[2:], rules=DEFAULT_RULES)
    assert context.message_ids == (3,)
    assert context.prompt.system == "Chat with Vera."


def test_session_is_cut_and_the_contact_named_as_the_adapter_was_trained() -> None:
    hour_s = 3600.0
    window = [bubble(1, "old"), _own(2, "old too", 60), bubble(3, "new", at_s=2 * hour_s)]
    assert build_context(FRIEND, window, window[2:], rules=DEFAULT_RULES).message_ids == (1, 2, 3)
    rules = PromptRules(session_gap=timedelta(hours=1), system_line=False)
    context = build_context(FRIEND, window, window[2:], rules=rules)
    assert context.message_ids == (3,)
    assert context.prompt.system is None


def test_media_reach_the_model_as_placeholders() -> None:
    voice = Message(chat_id=101, id=1, origin=Origin.CONTACT, sent_at=START, text="", media="[voice 0:07]")
    assert build_context(FRIEND, [voice], [voice], rules=DEFAULT_RULES).prompt.turns[0].bubbles == ("[voice 0:07]",)


def test_group_shows_names_and_keeps_to_the_topic() -> None:
    def said(message_id: int, topic: int, name: str) -> Message:
        return Message(
            chat_id=-55,
            id=message_id,
            origin=Origin.CONTACT,
            sent_at=START,
            text="hi",
            sender_name=name,
            topic_id=topic,
        )

    window = [said(1, 7, "Ann"), said(2, 8, "Bob"), said(3, 7, "Cid")]
    context = build_context(GROUP, window, window[2:], rules=DEFAULT_RULES)
    assert context.prompt.turns[0].bubbles == ("Ann: hi", "Cid: hi")


def test_group_is_addressed_by_name_or_by_an_answer_to_the_owner() -> None:
    mine = _own(1, "who comes?")
    answer = Message(chat_id=101, id=2, origin=Origin.CONTACT, sent_at=START, text="me", reply_to_id=1)
    assert is_addressed([answer], [mine, answer], username=None)
    assert is_addressed([bubble(3, "ask @Vasya_P")], [], username="vasya_p")
    assert not is_addressed([bubble(3, "ask him")], [mine], username="vasya_p")


@pytest.mark.parametrize("text", ["ask @anna", "ask @ann_b", "mail to x@ann.com", "t.me/@@annie"])
def test_longer_name_or_address_of_mail_addresses_somebody_else(text: str) -> None:
    assert not is_addressed([bubble(3, text)], [], username="ann")


@pytest.mark.parametrize("text", ["@ann", "(@Ann)", "hey @ann, are you there?"])
def test_name_between_marks_addresses_the_owner(text: str) -> None:
    assert is_addressed([bubble(3, text)], [], username="ann")


def test_last_own_text_is_the_clones_or_the_owners_last_turn() -> None:
    assert last_own_text([_own(1, "a"), bubble(2, "b"), _clone(3, "c"), _clone(4, "d"), bubble(5, "e")]) == "c\nd"
    assert last_own_text([bubble(1, "a")]) is None


def test_message_of_invisible_characters_ends_no_burst() -> None:
    window = [bubble(1, "a"), bubble(2, "\u3164"), bubble(3, "\u2060\u200b")]
    assert [m.id for m in find_burst(window, handled_id=0)] == [1]
    assert [m.id for m in find_burst(window, handled_id=1)] == [2, 3]
