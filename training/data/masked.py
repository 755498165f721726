"""Sessions with their private values masked, before anything is chosen or counted from them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import replace

from training.data.samples import Reason
from training.data.sessions import Session
from userbot.domain.prompt_rules import Masking
from userbot.trust.masking import mask_turns


def mask_sessions(
    sessions: Iterable[Session], masking: Masking, *, counts: Counter[str], left_out: Counter[Reason]
) -> Iterator[Session]:
    """Yield sessions with placeholders; owner turns that were mostly private stay as context and are not supervised.

    Args:
        sessions: Of one chat.
        masking: What is masked.
        counts: Is increased by what was masked, by kind.
        left_out: Is increased by the turns that are no longer supervised.
    """
    for session in sessions:
        masked = mask_turns(session.turns, masking)
        counts.update(masked.counts)
        supervised = tuple(flag and not mostly for flag, mostly in zip(session.supervised, masked.mostly, strict=True))
        left_out[Reason.MASKED] += sum(session.supervised) - sum(supervised)
        if any(supervised):
            yield replace(session, turns=masked.turns, supervised=supervised)
