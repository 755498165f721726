"""What a reader sees: invisible characters go, those that shape writing stay."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from userbot.domain.visible import clean_text, drop_invisible, fold

FILLERS = (
    "\u3164\uffa0\u115f\u2800\u00ad\ufe0f\ufe0e\u0301\u2060\u200b\u200c\u200d\ufeff\U000e0041\U000e0100\u034f\u202e"
)


@given(st.text(st.sampled_from(FILLERS + " \n\t\u2003"), max_size=9))
def test_fillers_alone_are_nothing_to_see(text: str) -> None:
    assert clean_text(text) == ""


@pytest.mark.parametrize("filler", [one for one in FILLERS if one not in "\u0301\u2800"])
def test_invisible_characters_inside_words_go(filler: str) -> None:
    assert clean_text(f"he{filler}llo") == "hello"
    assert clean_text(f"при{filler}вет") == "привет"


@pytest.mark.parametrize(
    "text",
    [
        "❤️",
        "👨\u200d👩\u200d👧",
        "🏴\U000e0067\U000e0062\U000e007f",
        "1️⃣",
        "👍🏽",
        "می\u200cخواهم",
        "नमस्\u200dते",
        "и\u0306",
        "?",
        "a\nb\u2028c",
        "🏳️\u200d🌈",
        "☺︎",
    ],
)
def test_writing_and_emoji_stay_whole(text: str) -> None:
    assert clean_text(text) == text


@given(st.text())
def test_dropping_twice_is_dropping_once_and_adds_nothing(text: str) -> None:
    assert len(drop_invisible(text)) <= len(text)
    assert clean_text(clean_text(text)) == clean_text(text)


@given(st.text(), st.sampled_from(["", "ﬃ", "Ｕ", "Сlone"]))
def test_folded_characters_know_where_they_stood(text: str, extra: str) -> None:
    folded, places = fold(text + extra)
    if places is None:
        assert len(folded) == len(text + extra)
    else:
        assert len(places) == len(folded)
        assert places == sorted(places)
