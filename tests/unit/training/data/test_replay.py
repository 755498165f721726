"""Going on from an adapter: everything new, some of the old, and nothing twice called new."""

from __future__ import annotations

import random

import pytest
from fakes import START, bubble

from training.data.replay import choose_samples, is_new, is_unseen, list_known, merge_ranges
from training.data.samples import Sample
from userbot.domain.errors import TooLittleDataError
from userbot.domain.messages import Origin, Turn

KNOWN = {"101": {"first_id": 1, "last_id": 100}}


def sample(*ids: int, chat_id: int = 101) -> Sample:
    """Make a sample with one question and one supervised answer for each id."""
    turns: list[Turn] = []
    for number in ids:
        turns.append(Turn(False, ("q",), (bubble(number - 1, "q"),)))
        turns.append(Turn(True, ("a",), (bubble(number, "a", origin=Origin.OWNER),)))
    return Sample(tuple(turns), tuple(turn.mine for turn in turns), None, chat_id, START)


def dice(seed: int) -> random.Random:
    return random.Random(seed)  # noqa: S311 - a choice of samples, no secret


OLD = [sample(number) for number in range(2, 42, 2)]
NEW = [sample(number) for number in range(102, 112, 2)]


def test_everything_new_is_taken_with_its_share_of_the_old() -> None:
    choice = choose_samples([*OLD, *NEW], KNOWN, replay=0.5, rng=dice(1), parent="a")

    assert (choice.new, choice.replayed) == (5, 5)
    assert all(one in choice.samples for one in NEW)
    assert len(set(map(id, choice.samples))) == 10


def test_no_replay_takes_the_new_alone() -> None:
    assert choose_samples([*OLD, *NEW], KNOWN, replay=0.0, rng=dice(1), parent="a").samples == tuple(NEW)


def test_a_large_share_takes_everything_there_is() -> None:
    choice = choose_samples([*OLD, *NEW], KNOWN, replay=0.9, rng=dice(1), parent="a")

    assert (choice.new, choice.replayed) == (5, 20)


def test_equal_seeds_replay_the_same() -> None:
    one, other = (choose_samples([*OLD, *NEW], KNOWN, replay=0.5, rng=dice(3), parent="a") for _ in range(2))

    assert one == other


@pytest.mark.parametrize(
    ("candidate", "expected"),
    [
        (sample(100), False),
        (sample(98, 102), True),
        (sample(5, chat_id=202), True),
        (Sample((Turn(True, ("a",)),), (True,), None, 0, START), False),
    ],
)
def test_new_is_what_lies_outside_the_known_ranges(candidate: Sample, expected: bool) -> None:
    assert is_new(candidate, KNOWN) is expected


@pytest.mark.parametrize(
    ("candidate", "expected"),
    [(sample(100), False), (sample(98, 102), False), (sample(102), True), (sample(5, chat_id=202), True)],
)
def test_unseen_is_what_has_no_known_message_at_all(candidate: Sample, expected: bool) -> None:
    assert is_unseen(candidate, KNOWN) is expected


def test_older_messages_imported_later_are_new() -> None:
    assert is_new(sample(10), {"101": {"first_id": 50, "last_id": 100}})


def test_new_context_makes_no_sample_new() -> None:
    turns = (
        Turn(False, ("q",), (bubble(50, "q"),)),
        Turn(True, ("a",), (bubble(51, "a", origin=Origin.OWNER),)),
        Turn(True, ("b",), (bubble(151, "b", origin=Origin.OWNER),)),
    )
    assert not is_new(Sample(turns, (False, True, False), None, 101, START), KNOWN)


def test_nothing_new_is_refused() -> None:
    with pytest.raises(TooLittleDataError) as caught:
        choose_samples(OLD, KNOWN, replay=0.5, rng=dice(1), parent="a1")

    assert str(caught.value) == (
        "Nothing new to train on has arrived since adapter a1 was trained. Wait for new messages, or train afresh: "
        "`clone train` without --parent."
    )


def test_what_grandparents_were_trained_on_is_known_too() -> None:
    child = {"train": {"chats": {"101": {"first_id": 90, "last_id": 200, "turns": 9}}}}
    known = merge_ranges([KNOWN, list_known(child), {"7": {"first_id": 3, "last_id": 4}}])

    assert known == {"101": {"first_id": 1, "last_id": 200}, "7": {"first_id": 3, "last_id": 4}}
    assert list_known({**child, "known": known}) == known
    assert list_known({}) == {}
