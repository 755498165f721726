"""Dates of birth."""

from __future__ import annotations

import pytest
from private_lines import find


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("родился 12.03.1990", "12.03.1990"),
        ("01.12.1979 г.р.", "01.12.1979"),
        ("когда родилась?\n23 июля 1993", "23 июля 1993"),
        ("she was born on March 3rd, 1985", "March 3rd, 1985"),
        ("dob 03/14/1988", "03/14/1988"),
    ],
)
def test_date_beside_a_word_on_birth_is_found(text: str, value: str) -> None:
    assert find(text) == [(value, "birth_date")]


@pytest.mark.parametrize("text", ["12.03.2024 встречаемся", "др отмечаем 15 мая в баре", "родился сын, 3500 г, 52 см"])
def test_other_date_is_left_alone(text: str) -> None:
    assert find(text) == []
