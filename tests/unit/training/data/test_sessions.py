"""Sessions: where a chat's history is cut, and which owner turns in it are supervised."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta

import pytest
from fakes import START, bubble

from training.data.samples import Reason
from training.data.sessions import Session, read_sessions
from userbot.domain.exclusions import Exclusion
from userbot.domain.messages import Chat, ChatKind, Message, Origin

CONTACT, OWNER, CLONE = Origin.CONTACT, Origin.OWNER, Origin.CLONE
GAP = timedelta(hours=6)
HOUR_S = 3600.0


def say(*lines: tuple[Origin, str], after_s: float = 0.0, **changes: object) -> list[Message]:
    """Make messages, one a minute; their ids are the seconds at which they were sent."""
    return [
        replace(bubble(int(at_s), text, origin=origin, at_s=at_s), **changes)  # type: ignore[arg-type]  # by field name
        for number, (origin, text) in enumerate(lines, start=1)
        for at_s in [after_s + 60.0 * number]
    ]


def read(messages: Sequence[Message], kind: ChatKind = ChatKind.PRIVATE) -> tuple[list[Session], Counter[Reason]]:
    left_out: Counter[Reason] = Counter()
    chat = Chat(id=101, kind=kind, title="Vera")
    return read_sessions(chat, messages, gap=GAP, left_out=left_out), left_out


def texts(session: Session) -> list[tuple[str, ...]]:
    return [turn.bubbles for turn in session.turns]


def test_bursts_become_turns_whose_bubbles_stay_apart() -> None:
    messages = say((CONTACT, "hi"), (CONTACT, "you there?"), (OWNER, "yes"), (OWNER, "what's up"))
    ((session,), _) = read(messages)
    assert texts(session) == [("hi", "you there?"), ("yes", "what's up")]
    assert session.supervised == (False, True)
    assert session.own_turns == 1
    assert [turn.messages for turn in session.turns] == [(), tuple(messages[2:])]
    assert (session.chat_id, session.newest_at) == (101, START + timedelta(minutes=4))


def test_a_silence_longer_than_the_gap_ends_a_session() -> None:
    # 3 days and 1 minute: a gap counted in seconds of the day alone would be one minute.
    messages = [
        *say((CONTACT, "a"), (OWNER, "b")),
        *say((CONTACT, "c"), (OWNER, "d"), after_s=72 * HOUR_S + 120),
        *say((CONTACT, "e"), (OWNER, "f"), after_s=74 * HOUR_S),
    ]
    sessions, _ = read(messages)
    assert [texts(session) for session in sessions] == [[("a",), ("b",)], [("c",), ("d",), ("e",), ("f",)]]


def test_the_clone_s_messages_end_a_session_and_the_turn_after_them_is_context() -> None:
    lines = [(CONTACT, "a"), (OWNER, "one"), (CONTACT, "b"), (CLONE, "machine"), (OWNER, "two"), (CONTACT, "c")]
    (before, after), left_out = read(say(*lines, (OWNER, "three")))
    assert texts(before) == [("a",), ("one",), ("b",)]
    # What "two" answers is not there.
    assert texts(after) == [("two",), ("c",), ("three",)]
    assert after.supervised == (False, False, True)
    assert left_out == {Reason.CLONE: 1, Reason.AFTER_CLONE: 1}


@pytest.mark.parametrize("borrowed", [{"forwarded": True}, {"via_bot": True}])
def test_words_of_others_are_dropped_beside_own_words_and_context_alone(borrowed: dict[str, bool]) -> None:
    messages = [
        *say((CONTACT, "a"), (OWNER, "mine")),
        *say((OWNER, "dropped"), after_s=200, **borrowed),
        *say((CONTACT, "b"), after_s=300),
        *say((OWNER, "context"), after_s=400, **borrowed),
        *say((CONTACT, "c"), (OWNER, "mine too"), after_s=500),
    ]
    ((session,), left_out) = read(messages)
    assert texts(session) == [("a",), ("mine",), ("b",), ("context",), ("c",), ("mine too",)]
    assert session.supervised == (False, True, False, False, False, True)
    assert left_out == {Reason.NO_OWN_WORDS: 1}


def test_media_alone_is_context_and_beside_words_is_dropped() -> None:
    messages = [
        *say((CONTACT, "a")),
        *say((OWNER, ""), after_s=100, media="[voice 0:07]"),
        *say((CONTACT, "b"), after_s=200),
        *say((OWNER, "look at this"), after_s=300, media="[photo]"),
        *say((OWNER, ""), after_s=400, media="[photo]"),
    ]
    ((session,), _) = read(messages)
    assert texts(session) == [("a",), ("[voice 0:07]",), ("b",), ("look at this",)]
    assert session.supervised == (False, False, False, True)


def test_a_session_without_own_words_is_left_out() -> None:
    assert read(say((CONTACT, "a"), (CONTACT, "b"))) == ([], Counter())


def test_groups_name_the_speakers() -> None:
    messages = [
        *say((CONTACT, "lunch?"), sender_name="Ann"),
        *say((CONTACT, "at two"), after_s=60, sender_name="Bob"),
        *say((OWNER, "fine by me"), after_s=120, sender_name="Lev"),
    ]
    ((session,), _) = read(messages, ChatKind.GROUP)
    assert texts(session) == [("Ann: lunch?", "Bob: at two"), ("fine by me",)]


def test_topics_of_a_forum_are_conversations_of_their_own_oldest_first() -> None:
    messages = [
        *say((CONTACT, "a"), topic_id=1),
        *say((CONTACT, "x"), after_s=60, topic_id=2),
        *say((OWNER, "y"), after_s=120, topic_id=2),
        *say((OWNER, "b"), after_s=180, topic_id=1),
    ]
    sessions, _ = read(messages)
    assert [texts(session) for session in sessions] == [[("x",), ("y",)], [("a",), ("b",)]]


def test_excluded_message_is_cut_out_and_the_turn_after_it_is_not_supervised() -> None:
    messages = say((CONTACT, "a"), (OWNER, "b"), (CONTACT, "the hospital"), (OWNER, "c"), (CONTACT, "d"), (OWNER, "e"))
    left_out: Counter[Reason] = Counter()
    chat = Chat(id=101, kind=ChatKind.PRIVATE, title="Vera")
    rules = [Exclusion(word="hospital")]
    sessions = read_sessions(chat, messages, gap=GAP, exclusions=rules, left_out=left_out)
    assert [texts(session) for session in sessions] == [[("a",), ("b",)], [("c",), ("d",), ("e",)]]
    assert [session.supervised for session in sessions] == [(False, True), (False, False, True)]
    assert left_out == {Reason.EXCLUDED: 1, Reason.AFTER_EXCLUDED: 1}
