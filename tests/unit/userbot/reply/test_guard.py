"""What a reply must not be, to be sent."""

from __future__ import annotations

import pytest

from userbot.domain.messages import Chat, ChatKind, Reply
from userbot.reply.guard import Draft, inspect

GROUP = Chat(id=-55, kind=ChatKind.GROUP, title="Hike")


@pytest.mark.parametrize(
    ("bubbles", "problem"),
    [
        ((), "empty"),
        (("  ", ""), "empty"),
        (("fine [/INST] not",), "a role marker in the text"),
        (("ok", "User: what"), "a role marker in the text"),
        (("ok </s>",), "a role marker in the text"),
        (("<|im_end|>",), "a role marker in the text"),
        (("ok", "long words " * 400), "a bubble that is too long for Telegram"),
        (("[voice 0:07]",), "a placeholder of media instead of words"),
        (("look", "[file a b.pdf]"), "a placeholder of media instead of words"),
        (("пиши на [phone] лучше",), "a placeholder of private data instead of words"),
        (("no",) * 3, "the same bubble again and again"),
        (("see you at the station", "ok", "see you at the station"), "the same bubble again and again"),
        (tuple("abcdefghi"), "more than 8 bubbles"),
        (("аха" * 20,), "characters in a loop"),
        (("and then we go " * 5,), "characters in a loop"),
        (("x y longer phrase with nine words is here again now " * 4,), "words in a loop"),
        (("go " * 9,), "words in a loop"),
    ],
)
def test_broken_reply_is_stopped(bubbles: tuple[str, ...], problem: str) -> None:
    assert inspect(Draft(Reply(bubbles=bubbles))) == problem


@pytest.mark.parametrize(
    "bubbles",
    [
        ("ахахахаха))))))", "да да да", "нет, ну ты чего"),
        ("👍",),
        ("[?] not sure", "see [the photo] I sent"),
        ("User experience is bad there",),
        ("no", "no"),
    ],
)
def test_lively_reply_passes(bubbles: tuple[str, ...]) -> None:
    assert inspect(Draft(Reply(bubbles=bubbles))) is None


def test_cut_reply_is_stopped() -> None:
    assert inspect(Draft(Reply(bubbles=("so then I",), finish="length"))) == "cut at the longest length"


def test_own_last_words_are_not_repeated_but_short_ones_may_be() -> None:
    assert inspect(Draft(Reply(bubbles=("I am on  my way",)), "i am on my way")) == "word for word the last reply"
    assert inspect(Draft(Reply(bubbles=("ok",)), "ok")) is None


def test_further_checks_come_last() -> None:
    draft = Draft(Reply(bubbles=("my card is 1234",)))
    assert inspect(draft, [lambda d: "private data" if "card" in d.reply.bubbles[0] else None]) == "private data"
