"""Noticing that the clone talks to another machine."""

from __future__ import annotations

from fakes import bubble

from userbot.domain.messages import Chat, ChatKind, Message, Origin
from userbot.reply.loops import find_loop

GROUP = Chat(id=-55, kind=ChatKind.GROUP, title="Hike")


def _talk(*lines: tuple[str, str]) -> list[Message]:
    made = {"p": Origin.CONTACT, "c": Origin.CLONE, "o": Origin.OWNER}
    return [bubble(n, text, origin=made[who]) for n, (who, text) in enumerate(lines, 1)]


def test_machine_that_counts_is_noticed() -> None:
    window = _talk(*[pair for n in range(4) for pair in (("p", f"Ticket {n} is queued"), ("c", f"ok {n}!"))])
    assert find_loop(window) == "the contact repeats itself like a machine"


def test_echo_is_noticed() -> None:
    words = ["where are you", "at home now", "what is for dinner", "some soup I guess"]
    window = _talk(("p", "start"), *[pair for word in words for pair in (("c", word), ("p", word))])
    assert find_loop(window) == "the contact gives the clone's words back"


def test_owners_word_starts_the_count_anew() -> None:
    lines = [pair for n in range(3) for pair in (("p", f"Ticket {n} is queued"), ("c", "ok"))]
    assert find_loop(_talk(*lines, ("o", "stop"), ("p", "Ticket 4 is queued"))) is None


def test_people_who_talk_are_no_loop() -> None:
    words = ["hi", "how are you", "want to meet?", "at six then", "see you"]
    assert find_loop(_talk(*[pair for word in words for pair in (("p", word), ("c", f"{word}?"))])) is None
