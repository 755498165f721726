"""Windows: sessions cut into samples of limited length, so that every owner turn is supervised once."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Callable, Sequence
from itertools import accumulate

from training.data.samples import Reason, Sample
from training.data.sessions import Session
from userbot.domain.messages import Turn

CountTokens = Callable[[Sequence[Turn], str | None], int]
"""Returns the number of tokens of turns with a system line."""

Measured = tuple[Sample, int]
"""A sample with its length in tokens."""

CONTEXT_SHARE = 0.25
"""Share of a later window that is kept for context: turns that an earlier window has supervised."""


def cut_windows(
    session: Session, system: str | None, *, count_tokens: CountTokens, max_tokens: int, left_out: Counter[Reason]
) -> list[Measured]:
    """Cut a session into samples that end with a supervised owner turn.

    Later samples begin with older turns as context, the newest that fit, whole turns only. A reply that does not fit
    together with its question gets the question's newest bubbles; where even one is too much, it is left out.

    Args:
        session: The session to cut.
        system: System line of each sample; None for none.
        count_tokens: Counts the tokens of turns.
        max_tokens: Longest sample, tokens.
        left_out: Is increased by the replies that don't fit.

    Returns:
        Samples with their lengths in tokens, in order.
    """
    end = _last_supervised(session.supervised, len(session.turns))
    if end == 0:
        return []
    turns, supervised = session.turns[:end], session.supervised[:end]
    whole = count_tokens(turns, system)
    if whole <= max_tokens:
        return [(Sample(turns, supervised, system, session.chat_id, session.newest_at), whole)]
    cutter = _Cutter(turns, supervised, system, count_tokens, max_tokens)
    windows: list[Measured] = []
    done = 0
    while done < len(turns):
        start, stop = cutter.next_window(done)
        flags = tuple(supervised[i] and i >= done for i in range(start, stop))
        fitted = cutter.fit(turns[start:stop], flags)
        if fitted is None:
            left_out[Reason.TOO_LONG] += sum(flags)
        else:
            window, flags, length = fitted
            windows.append((Sample(window, flags, system, session.chat_id, session.newest_at), length))
        done = stop
    return windows


class _Cutter:
    """Chooses windows by estimated lengths, so that each turn is encoded only a few times, then checks them."""

    def __init__(
        self,
        turns: Sequence[Turn],
        supervised: Sequence[bool],
        system: str | None,
        count_tokens: CountTokens,
        max_tokens: int,
    ) -> None:
        self._turns = turns
        self._flags = supervised
        self._system = system
        self._count = count_tokens
        self._max = max_tokens
        self._supervised = [i for i, flag in enumerate(supervised) if flag]
        one = {mine: Turn(mine, ("a",)) for mine in (False, True)}
        pair = (one[False], one[True])
        around = count_tokens(pair * 2, None) - count_tokens(pair, None)
        fixed = {mine: around // 2 - count_tokens((one[mine],), None) for mine in (False, True)}
        self._sums = [0, *accumulate(count_tokens((turn,), None) + fixed[turn.mine] for turn in turns)]
        self._base = count_tokens(pair, system) - around

    def next_window(self, done: int) -> tuple[int, int]:
        """Return the bounds of the window that supervises the first turns from `done` on."""
        first = self._supervised[bisect_left(self._supervised, done)]
        room = self._max if done == 0 else int(self._max * (1 - CONTEXT_SHARE))
        stop = max(first + 1, _last_supervised(self._flags, self._furthest(done, room)))
        start = self._earliest(stop, first)
        while self._length(start, stop) > self._max:
            if start < min(done, first - 1):
                start = self._next_start(start, first)
            elif stop > first + 1:
                stop = _last_supervised(self._flags, stop - 1)
            elif start < first - 1:
                start = self._next_start(start, first)
            else:
                break
        return start, stop

    def fit(
        self, window: tuple[Turn, ...], flags: tuple[bool, ...]
    ) -> tuple[tuple[Turn, ...], tuple[bool, ...], int] | None:
        """Return a window with its length, its question shortened if necessary; None where it can't fit."""
        length = self._count(window, self._system)
        if length <= self._max:
            return window, flags, length
        if window[0].mine:
            return None
        question, rest = window[0].bubbles, window[1:]
        kept = bisect_left(
            range(1, len(question)),
            True,
            key=lambda i: self._count((Turn(False, question[i:]), *rest), self._system) <= self._max,
        )
        if kept == len(question) - 1:
            return None
        window = (Turn(False, question[kept + 1 :]), *rest)
        return window, flags, self._count(window, self._system)

    def _length(self, start: int, stop: int) -> int:
        return self._count(self._turns[start:stop], self._system)

    def _furthest(self, start: int, room: int) -> int:
        return bisect_right(self._sums, self._sums[start] + room - self._base) - 1

    def _earliest(self, stop: int, first: int) -> int:
        start = bisect_left(self._sums, self._sums[stop] - (self._max - self._base))
        return 0 if start <= 0 else self._next_start(start - 1, first)

    def _next_start(self, start: int, first: int) -> int:
        """Move on to a contact turn, but not past the question of the first supervised turn."""
        last = max(first - 1, 0)
        return next((i for i in range(start + 1, last) if not self._turns[i].mine), last)


def _last_supervised(supervised: Sequence[bool], stop: int) -> int:
    """Return where a window must stop, at most at `stop`, to end with a supervised turn; 0 where there is none."""
    return next((i + 1 for i in range(min(stop, len(supervised)) - 1, -1, -1) if supervised[i]), 0)
