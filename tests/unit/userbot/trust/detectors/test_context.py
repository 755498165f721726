"""The nearest word says what a number is."""

from __future__ import annotations

from userbot.trust.detectors.context import Surroundings
from userbot.trust.detectors.finding import Source


def read_hints(text: str) -> tuple[str, ...]:
    start = text.index("5")
    return Surroundings.read(Source.read(text)).hints(start, start + 1)


def test_nearest_word_before_comes_first() -> None:
    assert read_hints("паспорт потом, карта 5") == ("card", "passport")


def test_word_after_comes_last_and_a_far_one_not_at_all() -> None:
    assert read_hints("телефон 5 это инн") == ("phone", "inn")
    assert read_hints("телефон" + " слово" * 12 + " 5") == ()
