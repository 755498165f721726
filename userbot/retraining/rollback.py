"""Whether a new adapter should be rolled back: does the owner take back more of its replies than of the one before?"""

from __future__ import annotations

import math
from dataclasses import dataclass

from userbot.store import Store
from userbot.store.adapters import AdapterShelf
from userbot.store.facts import ROLLBACK_PROPOSED

MIN_REGRETS = 3
"""Fewer replies that were taken back prove nothing, however few the other adapter had."""

LEVEL_Z = 1.64
"""One-sided 5 % of the normal distribution."""


@dataclass(frozen=True, slots=True)
class Regrets:
    """Replies of one adapter, and how many of them the owner took back.

    Args:
        replies: Replies that were sent.
        regretted: Those among them that the owner undid or deleted.
    """

    replies: int
    regretted: int

    @property
    def share(self) -> float:
        """Return the share that was taken back, 0 to 1."""
        return self.regretted / self.replies if self.replies else 0.0


def is_worse(new: Regrets, old: Regrets) -> bool:
    """Tell whether the new adapter's share is significantly greater: a one-sided z-test of two proportions, pooled.

    Args:
        new: Of the new adapter.
        old: Of the one before.
    """
    if new.regretted < MIN_REGRETS or not old.replies:
        return False
    pooled = (new.regretted + old.regretted) / (new.replies + old.replies)
    spread = math.sqrt(pooled * (1 - pooled) * (1 / new.replies + 1 / old.replies))
    # All or none of them taken back leaves no spread, and no difference either.
    return spread > 0 and (new.share - old.share) / spread > LEVEL_Z


def propose_rollback(store: Store, shelf: AdapterShelf, *, min_replies: int) -> str | None:
    """Propose a rollback if the active adapter's replies are taken back more often than those of the one before.

    Each adapter is proposed for once.

    Args:
        store: Replies.
        shelf: Adapters.
        min_replies: Replies of the active adapter below which it is too early to tell.

    Returns:
        The proposal, for the owner; None where there is nothing to propose.
    """
    adapters = shelf.active_and_previous()
    if len(adapters) < 2 or store.facts.get(ROLLBACK_PROPOSED) == adapters[0]:
        return None
    new, old = (Regrets(*store.replies.count_regrets(name)) for name in adapters)
    if new.replies < min_replies or not is_worse(new, old):
        return None
    store.facts.set(ROLLBACK_PROPOSED, adapters[0])
    return (
        f"Since adapter {adapters[0]} took over you have taken back {new.regretted} of its {new.replies} replies; of "
        f"the {old.replies} before, by {adapters[1]}, it was {old.regretted}. To go back to that one: /clone rollback"
    )
