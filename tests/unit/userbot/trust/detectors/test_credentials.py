"""Passwords and codes."""

from __future__ import annotations

import pytest
from private_lines import find


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("пароль от вайфая: sunny2020", "sunny2020"),
        ("wifi password is bananabread", "bananabread"),
        ("пароль?\nhunter22", "hunter22"),
        ("логин admin пароль admin123", "admin123"),
        ("zima2024! - пароль от ноута", "zima2024!"),
        ("пароль такой: солнышко", "солнышко"),
        ("the netflix password is now movieNight99", "movieNight99"),
    ],
)
def test_password_is_found(text: str, value: str) -> None:
    assert find(text) == [(value, "password")]


@pytest.mark.parametrize(
    "text",
    [
        "пароль сменил",
        "забыл пароль от почты",
        "the password is wrong",
        "my password is too short",
        "пароль?\nсек, гляну",
    ],
)
def test_talk_about_passwords_is_left_alone(text: str) -> None:
    assert find(text) == []


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("код от домофона 48к1390", "48к1390"),
        ("пин от карты 4821", "4821"),
        ("123456 — код подтверждения", "123456"),
        ("gate code is 4471#", "4471#"),
        ("сейф 7-14-21", "7-14-21"),
        ("какой код?\n7391", "7391"),
    ],
)
def test_code_is_found(text: str, value: str) -> None:
    assert find(text) == [(value, "code")]


@pytest.mark.parametrize("text", ["код ошибки 404", "промокод SALE20", "review the code 3 times", "домофон сломан"])
def test_other_codes_are_left_alone(text: str) -> None:
    assert find(text) == []
