"""The corpus of the embedded base: parsing, splitting, rewriting and packing of dialogues."""

from __future__ import annotations

import lzma
import random
from pathlib import Path

import pytest

from tools.tiny.corpus import (
    DISTINCT_CHARS,
    LANGUAGES,
    Mix,
    make_casual,
    pack_samples,
    parse_dialogues,
    read_corpus,
    render_dialogue,
    vary_dialogues,
)

SMALL_TALK = Path(__file__).parents[4] / "tools" / "tiny" / "small_talk.txt"


def dice(seed: int) -> random.Random:
    return random.Random(seed)  # noqa: S311 - augmentation needs no cryptography


@pytest.mark.parametrize(
    ("block", "expected"),
    [
        ("- hi\n- hello", [("hi", "hello")]),
        ("- hi\n- hello\n\n- a\n- b\n- c", [("hi", "hello"), ("a", "b", "c")]),
        ("# a title\n- hi\n- hello", [("hi", "hello")]),
        ("- alone", []),
        ("- hi\n- ", []),
        ("- hi\n- shut up", []),
    ],
)
def test_dialogues_are_blocks_of_lines_without_rude_words(block: str, expected: list[tuple[str, ...]]) -> None:
    assert list(parse_dialogues(block)) == expected


def test_the_committed_small_talk_is_read_whole() -> None:
    text = SMALL_TALK.read_text(encoding="utf-8")
    assert len(list(parse_dialogues(text))) == text.strip().count("\n\n") + 1 == 132


def test_held_out_dialogues_share_no_long_utterance_with_the_rest(tmp_path: Path) -> None:
    blocks = [f"- question {i}?\n- {'a long answer that many give, ' * 2}{i % 90}" for i in range(200)]
    for language in LANGUAGES:
        with lzma.open(tmp_path / f"dialogues.{language}.txt.xz", "wt", encoding="utf-8") as file:
            file.write("\n\n".join([*blocks, blocks[0]]))
    corpus = read_corpus(tmp_path)
    for language in LANGUAGES:
        train, held_out = corpus.train[language], corpus.held_out[language]
        assert len(held_out) == 4
        assert 180 < len(train) < 196, "dialogues with an utterance of the held-out ones are dropped"
        seen = {turn for dialogue in held_out for turn in dialogue if len(turn) >= DISTINCT_CHARS}
        assert not any(seen.intersection(dialogue) for dialogue in train)
    assert read_corpus(tmp_path) == corpus


def test_a_missing_language_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        read_corpus(tmp_path)


def test_casual_turns_are_mostly_lower_case_with_few_full_stops() -> None:
    turns = [make_casual("Hello there. How are you?", dice(seed)) for seed in range(200)]
    assert sum(turn[0] == "h" for turn in turns) > 150
    assert sum("there." in turn for turn in turns) < 80
    assert any("\n" in turn for turn in turns)
    assert turns[7] == make_casual("Hello there. How are you?", dice(7))


def test_nothing_is_varied_by_shares_of_zero() -> None:
    dialogues = [("a", "b"), ("c", "d", "e")]
    assert sorted(vary_dialogues(dialogues, Mix(0, 0, 0, 0), dice(1))) == dialogues


def test_shifted_dialogues_lose_their_first_turn_and_short_ones_keep_it() -> None:
    assert sorted(vary_dialogues([("a", "b"), ("c", "d", "e")], Mix(1, 0, 0, 0), dice(1))) == [("a", "b"), ("d", "e")]


def test_joined_dialogues_begin_with_the_user_again() -> None:
    dialogues = [(f"u{i}", f"a{i}", f"v{i}") for i in range(30)]
    for joined in vary_dialogues(dialogues, Mix(0, 1, 0, 0), dice(1)):
        assert all(turn[0] in ("a" if index % 2 else "uv") for index, turn in enumerate(joined))


def test_a_dialogue_is_rendered_as_the_chat_template_does() -> None:
    assert render_dialogue(("hi", "hello", "bye")) == "<s>[INST] hi[/INST] hello</s>[INST] bye[/INST]"


def test_samples_are_packed_without_padding() -> None:
    packed = pack_samples([[1, 2, 3], [4, 5], [6], [7, 8, 9, 10, 11, 12], [13]], 4)
    # The second sample does not fit: its beginning fills the gap, and it begins the next sequence.
    assert packed.tolist() == [[1, 2, 3, 4], [4, 5, 6, 7], [7, 8, 9, 10]]


def test_a_sample_that_fits_exactly_is_not_repeated() -> None:
    assert pack_samples([[1, 2], [3, 4], [5, 6], [7, 8]], 4).tolist() == [[1, 2, 3, 4], [5, 6, 7, 8]]
