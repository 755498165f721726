"""Everyday talk is told from what may be a secret."""

from __future__ import annotations

import pytest

from userbot.trust.everyday import is_everyday, is_everyday_date, is_everyday_number, is_everyday_word, is_stop


@pytest.mark.parametrize("word", ["Привет", "магазине", "сегодня", "meeting", "работой", "THE"])
def test_everyday_words_with_any_ending(word: str) -> None:
    assert is_everyday(word)


@pytest.mark.parametrize("word", ["Рексик", "синего", "гном", "Wilhelmina", "фонтана"])
def test_other_words(word: str) -> None:
    assert not is_everyday(word)


def test_names_that_share_a_form_with_a_word_are_names() -> None:
    assert is_everyday_word("март") and not is_everyday_word("Марта")


def test_words_without_content() -> None:
    assert is_stop("и") and is_stop("The") and not is_stop("магазин")


@pytest.mark.parametrize(
    ("digits", "everyday"), [("1500", True), ("2026", True), ("100", True), ("4711", False), ("0900", False)]
)
def test_numbers(digits: str, everyday: bool) -> None:
    assert is_everyday_number(digits) is everyday


def test_dates() -> None:
    assert is_everyday_date(8, 3) and not is_everyday_date(14, 3)
