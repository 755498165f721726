"""Likeness: each measure sees what it is for, and says nothing where there is nothing to see."""

from __future__ import annotations

import subprocess
import sys

import pytest

from training.judging import likeness
from training.judging.likeness import Bubbles, measure_likeness

WORDS = ("кино", "дом", "еда", "пиво", "кот", "мост", "снег", "чай", "сон", "парк", "лес", "мяч")


def casual(count: int, offset: int = 0) -> list[Bubbles]:
    """Make replies of a person who writes two lower-case bubbles and laughs with brackets."""
    return [
        (f"ну {WORDS[(i + offset) % 12]} так {WORDS[(i * 5 + offset) % 12]}", f"го {i + offset})))")
        for i in range(count)
    ]


def formal(count: int) -> list[Bubbles]:
    """Make replies of a polite machine."""
    return [(f"Certainly! I would be glad to discuss {WORDS[i % 12]}, item {i}, with you.",) for i in range(count)]


def test_the_owner_compared_with_themselves_is_perfect() -> None:
    own = casual(30)

    figures = measure_likeness(own, own)

    assert (figures.length, figures.bubbles, figures.case, figures.punctuation, figures.emoji, figures.language) == (
        0,
    ) * 6
    assert figures.auc is not None
    assert figures.auc <= 0.5
    assert figures.score == pytest.approx(1.0)


def test_a_stranger_is_told_apart_in_every_trait_that_differs() -> None:
    figures = measure_likeness(formal(30), casual(30))

    assert figures.auc is not None
    assert figures.auc > 0.95
    assert figures.length > 0.9
    assert figures.bubbles == 1.0
    assert figures.case == 1.0
    assert figures.punctuation == 1.0
    assert figures.language > 0.9
    assert figures.score < 0.3


def test_a_close_imitation_scores_between_the_two() -> None:
    owner = casual(40)
    near = measure_likeness(casual(40, offset=3), owner).score

    assert measure_likeness(formal(40), owner).score < near <= 1.0


def test_few_pairs_give_no_classifier_figure_and_the_score_does_without() -> None:
    figures = measure_likeness(casual(5), casual(5))

    assert figures.auc is None
    assert figures.score == 1.0


def test_empty_replies_count_as_empty_and_not_as_a_style() -> None:
    owner = casual(20)
    clone = [reply if i % 2 else () for i, reply in enumerate(owner)]

    figures = measure_likeness(clone, owner)

    assert figures.empty == 0.5
    assert figures.bubbles == 0.0


def test_a_clone_that_never_speaks_is_as_far_as_can_be() -> None:
    figures = measure_likeness([()] * 20, casual(20))

    assert figures.empty == 1.0
    assert figures.score == 0.0


def test_overlong_is_measured_by_the_owners_own_lengths() -> None:
    owner = [("x" * 10,)] * 20
    clone = [("x" * 20,)] * 15 + [("x" * 21,)] * 5

    assert likeness.share_overlong(clone, owner) == 0.25


def test_only_long_copies_of_training_turns_count() -> None:
    supervised = [("увидимся завтра вечером", "у входа в парк"), ("ок",)]
    clone: list[Bubbles] = [
        ("Увидимся  завтра вечером", "у входа в парк"),
        ("ок",),
        ("увидимся послезавтра вечером",),
        ("до встречи в парке у фонтана",),
    ]

    assert likeness.share_copied(clone, supervised) == 0.25


@pytest.mark.parametrize(
    ("reply", "expected"),
    [
        (("ну да ну да ну да",), True),
        (("привет", "привет"), True),
        (("ха", "ха"), False),
        (("иду домой", "скоро буду"), False),
    ],
)
def test_repetition_inside_a_reply(reply: Bubbles, expected: bool) -> None:
    assert likeness.repeats_itself(reply) is expected


def test_sameness_counts_replies_said_before() -> None:
    assert likeness.share_of_echoes([("ок",), ("Ок",), ("ок",), ("иду",)]) == 0.5


@pytest.mark.parametrize(
    ("text", "case", "ending", "script", "emoji"),
    [
        ("привет)))", "lower", ")", "cyrillic", 0),
        ("Sure.", "capital", ".", "latin", 0),
        ("ДАВАЙ БЫСТРЕЕ!", "shout", "!", "cyrillic", 0),
        ("го на party", "lower", "word", "mixed", 0),
        ("ну...", "lower", "…", "cyrillic", 0),
        ("❤️", "none", "emoji", "none", 1),
        ("ok 😂😂😂😂", "lower", "emoji", "latin", 3),
        ("№5", "none", "word", "none", 0),
        ("γειά;", "lower", "mark", "other", 0),
    ],
)
def test_traits_of_a_text(text: str, case: str, ending: str, script: str, emoji: int) -> None:
    reply = (text,)

    assert likeness.name_case(reply) == case
    assert likeness.name_ending(reply) == ending
    assert likeness.name_script(reply) == script
    assert likeness.count_emoji(reply) == emoji


def test_lengths_a_constant_apart_have_the_gap_of_their_overlap() -> None:
    assert likeness.gap_of_lengths([("x" * n,) for n in (1, 2, 3, 4)], [("x" * n,) for n in (3, 4, 5, 6)]) == 0.5


def test_lists_that_cannot_be_paired_are_refused() -> None:
    with pytest.raises(ValueError, match=r"^2 replies of the clone can't be paired with 3 of the owner$"):
        measure_likeness(casual(2), casual(3))


def test_importing_needs_neither_torch_nor_scikit_learn() -> None:
    code = "import sys, training.judging.likeness; sys.exit(any(name in sys.modules for name in ('torch', 'sklearn')))"

    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
