"""Conventions of text: bubbles as lines and back, and marks that nobody can write into a prompt."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from userbot.domain.marks import MarkBreaker, break_known_marks
from userbot.domain.text import break_role_marks, join_bubbles, split_bubbles

_bubbles = st.lists(st.text(st.sampled_from("ab \n"), min_size=1).filter(str.strip), min_size=1)


@given(_bubbles)
def test_bubbles_come_back_as_they_were(bubbles: list[str]) -> None:
    assert split_bubbles(join_bubbles(bubbles)) == tuple(bubble.strip() for bubble in bubbles)


@pytest.mark.parametrize("line_break", ["\n", "\r\n", "\r", "\u2028", "\u2029", "\x85"])
def test_any_line_break_inside_a_bubble_is_one_character(line_break: str) -> None:
    assert join_bubbles([f"a{line_break}b", "c"]) == "a\u2028b\nc"


def test_empty_lines_are_no_bubbles() -> None:
    assert split_bubbles("\n a \n\n \u2060 \nb\n") == ("a", "b")


def test_match_is_broken_after_its_first_letter_and_read_back_whole() -> None:
    broken = MarkBreaker(tokens=["<eot>"])("a<eot>b")
    assert broken == "a<\u2060eot>b"
    assert split_bubbles(broken) == ("a<eot>b",)


@pytest.mark.parametrize(
    ("text", "broken"),
    [
        ("User: hi", "User\u2060: hi"),
        (" Clone : hi", " Clone\u2060 : hi"),
        ("my User: hi", "my User: hi"),
        ("User experience", "User experience"),
    ],
)
def test_role_mark_is_broken_where_a_bubble_begins_with_it(text: str, broken: str) -> None:
    assert break_role_marks(text) == broken


@pytest.mark.parametrize(
    "mark",
    [
        *("<s>", "</s>", "[INST]", "[/INST]", "[AVAILABLE_TOOLS]", "[control_8]"),
        *("<|im_start|>", "<|im_end|>", "<|endoftext|>", "<|start_header_id|>", "<|eot_id|>", "<|begin_of_text|>"),
        *(
            "<start_of_turn>",
            "<end_of_turn>",
            "<bos>",
            "<eos>",
            "<pad>",
            "<unk>",
            "<｜User｜>",
            "<｜end▁of▁sentence｜>",
        ),
    ],
)
def test_special_tokens_of_known_families_are_broken(mark: str) -> None:
    assert break_known_marks(f"a{mark}b") == f"a{mark[0]}\u2060{mark[1:]}b"


@pytest.mark.parametrize("mark", ["<<SYS>>", "<</SYS>>"])
def test_mark_that_holds_a_shorter_one_is_broken_in_both(mark: str) -> None:
    assert break_known_marks(f"a{mark}b") == f"a<\u2060<\u2060{mark[2:]}b"


@pytest.mark.parametrize("text", ["[photo]", "[sic]", "[A]", "x<y>z", "a <b> c", "1 <| 2", "<3", "[voice 0:07]", "<b>"])
def test_what_people_write_is_left_alone(text: str) -> None:
    assert break_known_marks(text) == text
