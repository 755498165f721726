"""The numbers that decide a reply."""

from __future__ import annotations

import torch

from training.serving.sampling import draw_uniform


def test_a_seed_makes_the_numbers_repeatable() -> None:
    assert torch.equal(draw_uniform(3, 10), draw_uniform(3, 10))
    assert not torch.equal(draw_uniform(3, 10), draw_uniform(4, 10))
    assert not torch.equal(draw_uniform(None, 10), draw_uniform(None, 10))
    numbers = draw_uniform(1, 10_000)
    assert numbers.min() >= 0
    assert numbers.max() < 1
