"""Balance: no chat dominates, and the newest sessions are held out."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from training.data.balance import (
    SENSIBLE_TURNS,
    cap_chats,
    find_limit,
    is_near_empty,
    split_held_out,
    thin_by_age,
    thin_repeats,
)
from training.data.samples import Reason
from training.data.sessions import Session
from userbot.domain.messages import Turn

WHEN = datetime(2026, 1, 5, tzinfo=UTC)


def session(chat_id: int, own_turns: int, day: int) -> Session:
    turns = tuple(Turn(bool(i % 2), (f"{chat_id}.{day}.{i}",)) for i in range(2 * own_turns))
    return Session(chat_id, turns, tuple(turn.mine for turn in turns), WHEN + timedelta(days=day))


def test_no_chat_has_more_than_its_share() -> None:
    sizes = [9000, 1500, 1500, 1500]
    limit = find_limit(sizes, 0.35)
    kept = [min(size, limit) for size in sizes]
    assert kept[0] == pytest.approx(0.35 * sum(kept), abs=1)
    assert kept[1:] == sizes[1:]


def test_cap_leaves_enough_to_learn_from() -> None:
    sizes = [5000, 10, 10, 10]
    assert sum(min(size, find_limit(sizes, 0.35)) for size in sizes) == SENSIBLE_TURNS


@pytest.mark.parametrize(
    ("sizes", "share"), [([9000], 0.35), ([4000, 4000], 0.35), ([9000, 10], 1.0), ([400, 3], 0.35)]
)
def test_cap_takes_nothing_where_it_can_not_help(sizes: list[int], share: float) -> None:
    assert find_limit(sizes, share) >= max(sizes)


@given(st.lists(st.integers(1, 5000), min_size=1, max_size=8), st.floats(0.05, 1))
def test_limit_is_fair_or_just_enough(sizes: list[int], share: float) -> None:
    limit = find_limit(sizes, share)
    left = sum(min(size, limit) for size in sizes)
    assert left >= min(SENSIBLE_TURNS, sum(sizes))
    fair = min(limit, max(sizes)) <= max(share, 1 / len(sizes)) * left + 1e-6
    just_enough = sum(min(size, limit - 1) for size in sizes) < SENSIBLE_TURNS
    assert fair or just_enough


def test_capped_chat_keeps_its_newest_turns() -> None:
    sessions = sorted(
        [session(chat, 100, day) for day in range(20) for chat in (1, 2, 3)]
        + [session(4, 100, day) for day in range(100)],
        key=lambda each: each.newest_at,
    )
    left_out: Counter[Reason] = Counter()
    kept = cap_chats(sessions, 0.35, left_out=left_out)
    own = Counter({chat: sum(s.own_turns for s in kept if s.chat_id == chat) for chat in (1, 2, 3, 4)})
    assert own[1] == own[2] == own[3] == 2000
    assert own[4] == pytest.approx(0.35 * own.total(), abs=1)
    assert left_out == {Reason.CHAT_SHARE: 10_000 - own[4]}
    oldest = next(s for s in kept if s.chat_id == 4)
    assert oldest.newest_at == WHEN + timedelta(days=67)
    first = oldest.supervised.index(True)
    assert all(flag for turn, flag in zip(oldest.turns[first:], oldest.supervised[first:], strict=True) if turn.mine)


@given(st.lists(st.integers(1, 30), min_size=1, max_size=20), st.floats(0.01, 0.49))
def test_held_out_share_is_kept_and_everything_is_on_one_side(sizes: list[int], share: float) -> None:
    sessions = [session(1, size, day) for day, size in enumerate(sizes)]
    older, newer = split_held_out(sessions, share)
    n_older, n_newer = (sum(s.own_turns for s in part) for part in (older, newer))
    assert n_older + n_newer == sum(sizes)
    assert n_older >= 1
    due = round(share * sum(sizes))
    assert (n_newer == 0) if due == 0 or sum(sizes) == 1 else due <= n_newer <= 2 * due
    assert all(a.newest_at <= b.newest_at for a in older for b in newer)


def test_cut_for_the_held_out_set_keeps_question_and_reply_together() -> None:
    (older,), (newer,) = split_held_out([session(1, 10, 0)], 0.2)
    assert (older.own_turns, newer.own_turns) == (8, 2)
    assert not newer.turns[0].mine


@pytest.mark.parametrize("text", [".", "+", "👍", ")))", "…", "я", "?!"])
def test_signs_alone_are_near_empty(text: str) -> None:
    assert is_near_empty(Turn(True, (text,)))


@pytest.mark.parametrize("bubbles", [("ок",), ("42",), ("a", "b")])
def test_a_word_is_not_near_empty(bubbles: tuple[str, ...]) -> None:
    assert not is_near_empty(Turn(True, bubbles))


def answers(*texts: str) -> list[Session]:
    """Make one session of a question and an answer for each text, a day apart."""
    return [
        Session(1, (Turn(False, (f"q {day}",)), Turn(True, (text,))), (False, True), WHEN + timedelta(days=day))
        for day, text in enumerate(texts)
    ]


def questions(sessions: Sequence[Session]) -> list[str]:
    return [session.turns[0].bubbles[0] for session in sessions]


def test_equal_turns_are_supervised_a_few_times_the_newest() -> None:
    left_out: Counter[Reason] = Counter()
    sessions = answers("haha yes", "Haha yes", "no", "haha yes", "HAHA YES")
    assert questions(thin_repeats(sessions, repeats=2, left_out=left_out)) == ["q 2", "q 3", "q 4"]
    assert left_out == {Reason.REPEATED: 2}


def test_a_repeated_turn_beside_others_becomes_context() -> None:
    turns = tuple(Turn(bool(i % 2), (text,)) for i, text in enumerate(("q", "ok then", "r", "no", "s", "ok then")))
    (thinned,) = thin_repeats(
        [Session(1, turns, tuple(turn.mine for turn in turns), WHEN)], repeats=1, left_out=Counter()
    )
    assert thinned.turns == turns
    assert thinned.supervised == (False, False, False, True, False, True)


def test_near_empty_turns_are_thinned_to_a_twentieth() -> None:
    left_out: Counter[Reason] = Counter()
    sessions = answers(*(text for i in range(40) for text in (f"answer {i}", ("+", ".", "👍", "я")[i % 4])))
    kept = [session.turns[1].bubbles[0] for session in thin_repeats(sessions, repeats=99, left_out=left_out)]
    assert sum(len(text) < 2 for text in kept) == 2
    assert kept[-1] == "я", "the newest stay"
    assert left_out == {Reason.NEAR_EMPTY: 38}


def test_age_halves_a_session_s_probability() -> None:
    sessions = [session(1, 1, day) for day in (*[0] * 300, *[1000] * 300)]
    left_out: Counter[Reason] = Counter()
    kept = thin_by_age(sessions, timedelta(days=1000), rng=dice(1), left_out=left_out)
    n_old = sum(each.newest_at == WHEN for each in kept)
    assert 120 < n_old < 180
    assert len(kept) - n_old == 300, "the newest have age 0"
    assert left_out == {Reason.AGE: 300 - n_old}
    assert kept == thin_by_age(sessions, timedelta(days=1000), rng=dice(1), left_out=Counter())


def test_nothing_is_thinned_of_nothing() -> None:
    assert thin_by_age([], timedelta(days=1), rng=dice(1), left_out=Counter()) == []
    assert cap_chats([], 0.5, left_out=Counter()) == []
    assert split_held_out([], 0.5) == ([], [])


def dice(seed: int) -> random.Random:
    return random.Random(seed)  # noqa: S311 - a choice of sessions, no secret
