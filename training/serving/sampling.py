"""The numbers that decide which tokens a reply is made of."""

from __future__ import annotations

import numpy as np
import torch


def draw_uniform(seed: int | None, count: int) -> torch.Tensor:
    """Draw the numbers that decide the tokens of a reply.

    Args:
        seed: Makes them repeatable; None draws others each time.
        count: How many.

    Returns:
        Shape (count,), float32, each from 0 up to 1.
    """
    return torch.from_numpy(np.random.default_rng(seed).random(count, dtype=np.float32))
