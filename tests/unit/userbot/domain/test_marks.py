"""Marks of frames, broken in any disguise; ordinary words stay as they are."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from userbot.domain.marks import MarkBreaker, break_known_marks
from userbot.domain.text import JOINER, split_bubbles


@pytest.mark.parametrize(
    ("text", "broken"),
    [
        ("### Human: x", "### Human|: x"),
        ("###\u200b Hum\u00adan : x", "### Human |: x"),
        ("USER: hi ASSISTANT: no", "USER|: hi ASSISTANT|: no"),
        ("Human: hi", "Human|: hi"),
        ("hi\u2028Assistant: x", "hi\u2028Assistant|: x"),
        ("Ｕｓｅｒ： x", "Ｕｓｅｒ|： x"),
        ("Сlone: x", "Сlone|: x"),
        ("＜|im_start|＞", "＜||im_start|＞"),
        ("<start_of_turn>", "<|start_of_turn>"),
        ("[/INST]", "[|/INST]"),
        ("> **User:** hi", "> **User|:** hi"),
    ],
)
def test_well_known_frames_are_broken_in_any_disguise(text: str, broken: str) -> None:
    at = next(i for i, (a, b) in enumerate(zip(broken, break_known_marks(text), strict=False)) if b == JOINER)
    assert break_known_marks(text)[at] == JOINER
    assert break_known_marks(text).count(JOINER) == broken.count("|") - text.count("|")


@pytest.mark.parametrize(
    "text",
    [
        "my user: hi",
        "Привет: норм",
        "the human mind",
        "[photo] <3",
        "Вера: да",
        "C: D: E:",
        "# title",
        "user",
        "и: так",
    ],
)
def test_what_people_write_is_left_alone(text: str) -> None:
    assert break_known_marks(text) == text


def test_tokens_and_frame_of_a_template_are_broken_too() -> None:
    breaker = MarkBreaker(tokens=["<tool>", "aba", "☃"], frame=["guest", ">", "--- Q ---"])
    assert breaker("a <TOOL> b") == f"a <{JOINER}TOOL> b"
    assert breaker("ababa").count(JOINER) == 2
    assert breaker("☃") == f"{JOINER}☃"
    assert breaker("a guest came") == "a guest came"
    assert JOINER in breaker("hi\nguest\nx")
    assert JOINER in breaker("> x")
    assert breaker("a > b") == "a > b"
    assert JOINER in breaker("---Q---")


@given(st.text(st.sampled_from("<|>[]/INSTUSERuser:# \u200b\u2060a")))
def test_broken_text_reads_back_as_it_was_seen(text: str) -> None:
    broken = break_known_marks(text)
    assert break_known_marks.find(broken) == []
    assert split_bubbles(broken) == split_bubbles(text.replace("\u200b", ""))
