"""Numerals in words become the digits that they name."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from userbot.trust.numerals import read_numeral, read_scale, write_digits


@pytest.mark.parametrize(
    ("values", "digits"),
    [
        ([40, 7, 11], "4711"),
        ([4, 7, 1, 1], "4711"),
        ([4, None, 700, 11], "4711"),
        ([0, 4, 2], "042"),
        ([200, 30, 5], "235"),
        ([19, 84], "1984"),
        ([5, None], "5000"),
        ([], ""),
    ],
)
def test_numerals_that_follow_each_other(values: list[int | None], digits: str) -> None:
    assert write_digits(values) == digits


@given(st.lists(st.integers(0, 9), min_size=1, max_size=12))
def test_digits_one_by_one(digits: list[int]) -> None:
    assert write_digits(list(digits)) == "".join(map(str, digits))


@pytest.mark.parametrize(
    ("word", "value"),
    [
        ("семь", 7),
        ("семнадцать", 17),
        ("четырнадцатого", 14),
        ("forty", 40),
        ("eleven", 11),
        ("девятьсот", 900),
        ("кот", None),
    ],
)
def test_words_of_both_languages(word: str, value: int | None) -> None:
    assert read_numeral(word) == value


def test_scales() -> None:
    assert (read_scale("hundred"), read_scale("тысяч"), read_scale("seven")) == (100, 1000, None)
