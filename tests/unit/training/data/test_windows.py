"""Windows: long sessions cut into samples."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime

import example_tokenizers as tokenizers
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from training.data.render import Renderer
from training.data.samples import Reason, Sample
from training.data.sessions import Session
from training.data.windows import CountTokens, cut_windows
from userbot.domain.messages import Turn

WHEN = datetime(2026, 1, 5, tzinfo=UTC)
MAX_TOKENS = 60
RENDERER = Renderer(tokenizers.byte_level())


def count_words(turns: Sequence[Turn], system: str | None) -> int:
    return len((system or "").split()) + sum(1 + sum(len(b.split()) for b in turn.bubbles) for turn in turns)


def session_of(sizes: Sequence[Sequence[int]], *, mine: bool = False, skip: frozenset[int] = frozenset()) -> Session:
    """Make turns with bubbles of so many words, each bubble recognisable."""
    turns = tuple(
        Turn(mine ^ bool(i % 2), tuple(" ".join([f"{i}.{k}"] + ["w"] * (size - 1)) for k, size in enumerate(bubbles)))
        for i, bubbles in enumerate(sizes)
    )
    supervised = tuple(turn.mine and i not in skip for i, turn in enumerate(turns))
    return Session(7, turns, supervised, WHEN)


def cut(
    session: Session, max_tokens: int, *, count: CountTokens = count_words, system: str | None = None
) -> tuple[list[Sample], Counter[Reason]]:
    left_out: Counter[Reason] = Counter()
    windows = cut_windows(session, system, count_tokens=count, max_tokens=max_tokens, left_out=left_out)
    assert all(length == count(sample.turns, sample.system) for sample, length in windows)
    return [sample for sample, _ in windows], left_out


def supervised_turns(samples: Sequence[Sample]) -> list[Turn]:
    return [t for s in samples for t, supervised in zip(s.turns, s.supervised, strict=True) if supervised]


@st.composite
def sessions(draw: st.DrawFn) -> Session:
    count = draw(st.integers(1, 40))
    sizes = [draw(st.lists(st.integers(1, 12), min_size=1, max_size=3)) for _ in range(count)]
    skip = draw(st.frozensets(st.integers(0, count)))
    return session_of(sizes, mine=draw(st.booleans()), skip=skip)


@pytest.mark.parametrize("count", [count_words, RENDERER.count])
@settings(max_examples=150, deadline=None)
@given(session=sessions())
def test_every_supervised_turn_is_in_exactly_one_sample(count: CountTokens, session: Session) -> None:
    samples, left_out = cut(session, MAX_TOKENS, count=count)
    expected = [turn for turn, supervised in zip(session.turns, session.supervised, strict=True) if supervised]
    turns = supervised_turns(samples)
    assert len(turns) + left_out[Reason.TOO_LONG] == len(expected)
    assert [turn for turn in expected if turn in turns] == turns
    for sample in samples:
        assert sample.supervised[-1]
        assert sample.turns[-1].mine
        assert count(sample.turns, sample.system) <= MAX_TOKENS
        # Turns are whole, but the first, which may have lost its oldest bubbles, and follow one another.
        start = next(i for i, t in enumerate(session.turns) if t.bubbles[-1] == sample.turns[0].bubbles[-1])
        assert session.turns[start].bubbles[-len(sample.turns[0].bubbles) :] == sample.turns[0].bubbles
        assert sample.turns[1:] == session.turns[start + 1 : start + len(sample.turns)]


def test_short_session_is_one_sample() -> None:
    session = session_of([[3], [4], [2], [5]])
    samples, _ = cut(session, 100, system="Chat with Vera.")
    assert samples == [Sample(session.turns, session.supervised, "Chat with Vera.", 7, WHEN)]


def test_later_windows_carry_the_newest_older_turns_as_context() -> None:
    samples, _ = cut(session_of([[4]] * 40), MAX_TOKENS)
    later = samples[1]
    assert later.supervised[:2] == (False, False)
    assert later.turns[0].mine is False
    assert any(not supervised and turn.mine for turn, supervised in zip(later.turns, later.supervised, strict=True))
    assert later.turns[0].bubbles[0].split()[0] == "8.0"
    assert samples[0].turns[-1].bubbles[0].split()[0] == "11.0"


def test_windows_are_nearly_full() -> None:
    samples, _ = cut(session_of([[4]] * 400), MAX_TOKENS)
    assert all(count_words(sample.turns, None) > 0.8 * MAX_TOKENS for sample in samples[:-1])


def test_long_question_keeps_its_newest_bubbles() -> None:
    samples, left_out = cut(session_of([[40, 20, 10], [5]]), 50)
    assert [turn.bubbles for turn in samples[0].turns] == [
        tuple(" ".join([f"0.{k}"] + ["w"] * (size - 1)) for k, size in ((1, 20), (2, 10))),
        ("1.0 w w w w",),
    ]
    assert not left_out


def test_reply_longer_than_a_sample_is_left_out() -> None:
    samples, left_out = cut(session_of([[5], [80], [5], [5]]), 50)
    assert [turn.bubbles[0].split()[0] for turn in supervised_turns(samples)] == ["3.0"]
    assert left_out == {Reason.TOO_LONG: 1}


def test_stretch_without_own_words_does_not_crowd_out_the_reply() -> None:
    skip = frozenset(range(2, 60))
    samples, _ = cut(session_of([[4]] * 62, skip=skip), MAX_TOKENS)
    assert [turn.bubbles[0].split()[0] for turn in supervised_turns(samples)] == ["1.0", "61.0"]
    assert count_words(samples[-1].turns, None) > 0.8 * MAX_TOKENS


def test_each_turn_is_counted_only_a_few_times() -> None:
    calls = 0

    def count(turns: Sequence[Turn], system: str | None) -> int:
        nonlocal calls
        calls += len(turns)
        return count_words(turns, system)

    cut(session_of([[4]] * 4000), MAX_TOKENS, count=count)
    assert calls < 8 * 4000
