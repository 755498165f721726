"""Numbers in words."""

from __future__ import annotations

import pytest
from private_lines import find

from userbot.trust.detectors.spelled import write_digits


@pytest.mark.parametrize(
    ("words", "digits"),
    [
        ("восемь девятьсот шестнадцать сто двадцать три сорок пять шестьдесят семь", "89161234567"),
        ("девятьсот три ноль ноль пять", "903005"),
        ("seven seven zero oh", "7700"),
        ("сорок 12 пять", "40125"),
    ],
)
def test_words_become_the_digits_that_they_say(words: str, digits: str) -> None:
    assert write_digits(words.split()) == digits


def test_phone_in_words_is_found() -> None:
    number = "восемь девятьсот шестнадцать сто двадцать три сорок пять шестьдесят семь"
    assert find(f"пиши: {number}, это Оля") == [(number, "phone")]
    assert find("call zero seven seven zero zero nine zero zero one two three") == [
        ("zero seven seven zero zero nine zero zero one two three", "phone")
    ]


@pytest.mark.parametrize("text", ["раз два три четыре пять вышел зайчик", "сто двадцать пять рублей и сорок копеек"])
def test_counting_is_no_phone(text: str) -> None:
    assert find(text) == []
