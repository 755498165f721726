"""Balance: which sessions are held out, and which owner turns are supervised less often than they were said."""

from __future__ import annotations

import random
import re
from bisect import bisect_left, bisect_right
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta

from training.data.samples import Reason
from training.data.sessions import Session
from userbot.domain.messages import Turn

# As many as the article's author trained on; a chat's share is not cut where that would leave fewer.
SENSIBLE_TURNS = 2000
# Of all supervised turns, those that may be "+", "." or a single emoji.
NEAR_EMPTY_SHARE = 0.05

_WORD = re.compile(r"\w")


def split_held_out(sessions: Sequence[Session], share: float) -> tuple[list[Session], list[Session]]:
    """Split off the newest sessions, over all chats, that hold a share of the owner turns.

    A session that holds far more than is needed is cut in two, and its newer part is held out.

    Args:
        sessions: In any order.
        share: Share of the owner turns to hold out, 0 to 1.

    Returns:
        The sessions to train on and the held-out ones, each list oldest first.
    """
    older = sorted(sessions, key=lambda session: session.newest_at)
    newer: list[Session] = []
    missing = round(share * sum(session.own_turns for session in older))
    while older and missing > 0:
        session = older.pop()
        if session.own_turns > 2 * missing or not older:
            taken = min(missing, session.own_turns - 1)
            if taken == 0:
                older.append(session)
                break
            before, session = _cut_in_two(session, taken)
            older.append(before)
        newer.append(session)
        missing -= session.own_turns
    return older, newer[::-1]


def thin_repeats(sessions: Sequence[Session], *, repeats: int, left_out: Counter[Reason]) -> list[Session]:
    """Supervise equal owner turns only a few times, and near-empty ones rarely.

    The newest of them stay supervised; the others become context.

    Args:
        sessions: Oldest first.
        repeats: How many equal turns may be supervised.
        left_out: Is increased by the turns that are no longer supervised.

    Returns:
        The sessions that still have a supervised turn, oldest first.
    """
    near_empty = sum(
        is_near_empty(turn)
        for session in sessions
        for turn, supervised in zip(session.turns, session.supervised, strict=True)
        if supervised
    )
    near_empty_left = int(NEAR_EMPTY_SHARE * (sum(session.own_turns for session in sessions) - near_empty))
    occurrences: Counter[tuple[str, ...]] = Counter()

    def find_reason(turn: Turn) -> Reason | None:
        nonlocal near_empty_left
        if is_near_empty(turn):
            near_empty_left -= 1
            return Reason.NEAR_EMPTY if near_empty_left < 0 else None
        key = tuple(bubble.casefold() for bubble in turn.bubbles)
        occurrences[key] += 1
        return Reason.REPEATED if occurrences[key] > repeats else None

    thinned = []
    for session in reversed(sessions):
        supervised = list(session.supervised)
        for i in range(len(supervised) - 1, -1, -1):
            if supervised[i] and (reason := find_reason(session.turns[i])):
                supervised[i] = False
                left_out[reason] += 1
        if any(supervised):
            thinned.append(replace(session, supervised=tuple(supervised)))
    return thinned[::-1]


def thin_by_age(
    sessions: Sequence[Session], half_life: timedelta, *, rng: random.Random, left_out: Counter[Reason]
) -> list[Session]:
    """Keep each session with a probability that halves with every half-life of its age; the newest has age 0.

    Args:
        sessions: In any order.
        half_life: Age at which half of the sessions are kept.
        rng: Decides which.
        left_out: Is increased by the owner turns of the sessions that are dropped.

    Returns:
        The sessions that are kept, in the order given.
    """
    if not sessions:
        return []
    newest_at = max(session.newest_at for session in sessions)
    kept = []
    for session in sessions:
        if rng.random() < 0.5 ** ((newest_at - session.newest_at) / half_life):
            kept.append(session)
        else:
            left_out[Reason.AGE] += session.own_turns
    return kept


def cap_chats(sessions: Sequence[Session], share: float, *, left_out: Counter[Reason]) -> list[Session]:
    """Limit each chat to a share of all owner turns, its newest; older ones become context or are dropped.

    With too few chats for the share, all chats get the same limit. The limit never leaves fewer than SENSIBLE_TURNS
    owner turns in all.

    Args:
        sessions: Oldest first.
        share: Largest share of the owner turns that one chat may have, above 0 to 1.
        left_out: Is increased by the turns that are no longer supervised.

    Returns:
        The sessions that still have a supervised turn, oldest first.
    """
    sizes: defaultdict[int, int] = defaultdict(int)
    for session in sessions:
        sizes[session.chat_id] += session.own_turns
    limit = find_limit(list(sizes.values()), share)
    room = dict.fromkeys(sizes, limit)
    kept = []
    for session in reversed(sessions):
        session, over = _limit_session(session, room[session.chat_id])
        room[session.chat_id] -= session.own_turns
        left_out[Reason.CHAT_SHARE] += over
        if session.own_turns:
            kept.append(session)
    return kept[::-1]


def find_limit(sizes: Sequence[int], share: float) -> int:
    """Find the largest limit under which no chat has more than its share of what is left.

    Args:
        sizes: Supervised owner turns of each chat.
        share: Largest share of one chat, above 0 to 1; raised where there are too few chats for it.

    Returns:
        The limit in owner turns, for every chat; 0 without chats. It leaves at least SENSIBLE_TURNS in all, or whatever
        there is.
    """
    if not sizes:
        return 0
    share = max(share, 1 / len(sizes))
    largest = max(sizes)

    def left(limit: int) -> int:
        return sum(min(size, limit) for size in sizes)

    # What a limit leaves grows more slowly than the limit itself: it is fair up to one point, and enough from one on.
    limits = range(largest + 1)
    fair = bisect_right(limits, False, key=lambda limit: limit > share * left(limit) + 1e-9) - 1
    enough = bisect_left(limits, min(SENSIBLE_TURNS, sum(sizes)), key=left)
    return max(fair, enough)


def is_near_empty(turn: Turn) -> bool:
    """Tell whether a turn has fewer than two letters or digits in all."""
    return sum(len(_WORD.findall(bubble)) for bubble in turn.bubbles) < 2


def _limit_session(session: Session, room: int) -> tuple[Session, int]:
    over = max(session.own_turns - room, 0)
    if over == 0:
        return session, 0
    supervised = list(session.supervised)
    for i in [i for i, flag in enumerate(supervised) if flag][:over]:
        supervised[i] = False
    return replace(session, supervised=tuple(supervised)), over


def _cut_in_two(session: Session, newer: int) -> tuple[Session, Session]:
    """Cut before the question that the last `newer` supervised turns begin with."""
    indices = [i for i, flag in enumerate(session.supervised) if flag]
    at = indices[-newer]
    at -= at > 0 and not session.turns[at - 1].mine
    parts = (slice(0, at), slice(at, None))
    older, later = (replace(session, turns=session.turns[p], supervised=session.supervised[p]) for p in parts)
    return older, later
