"""Which samples each update learns from."""

from __future__ import annotations

import math

import numpy as np

from training.config import TrainConfig
from training.learning.packing import Ints, Tokens, plan_updates


def plan_epochs(config: TrainConfig, tokens: Tokens) -> tuple[list[Ints], list[int]]:
    """Share the samples out to the updates of all epochs, each in another order.

    Returns:
        The plan, and the number of updates after which each epoch ends.
    """
    plan: list[Ints] = []
    ends: list[int] = []
    for epoch in range(math.ceil(config.epochs)):
        rng = np.random.default_rng((config.seed, epoch))
        updates = plan_updates(
            tokens.lengths, batch_tokens=config.batch_tokens, batch_samples=config.batch_samples, rng=rng
        )
        share = min(1.0, config.epochs - epoch)
        plan += updates[: math.ceil(share * len(updates))]
        ends.append(len(plan))
    plan = plan[: config.max_steps]
    return plan, [end for end in ends if end < len(plan)] + [len(plan)]
