"""Names of people by natasha."""

from __future__ import annotations

import pytest

from userbot.trust.names import find_names


def test_names_are_found_where_the_extra_is_installed() -> None:
    pytest.importorskip("natasha")
    text = "Вчера видел Машу Иванову на работе"
    assert [(text[one.start : one.end], one.kind) for one in find_names(text)] == [("Машу Иванову", "name")]


def test_text_without_a_capital_is_not_looked_at() -> None:
    assert find_names("ок, буду поздно") == ()
