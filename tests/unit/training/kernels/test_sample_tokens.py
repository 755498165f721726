"""Sampling of several replies at once: the same distribution as generate() of transformers."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from transformers import (
    RepetitionPenaltyLogitsProcessor,
    TemperatureLogitsWarper,
    TopPLogitsWarper,
)

from training.kernels.sample_tokens import sample_tokens

VOCABULARY = 40


def sample(logits: torch.Tensor, uniform: torch.Tensor, **values: Any) -> torch.Tensor:
    """Sample a token for each number, all from the same logits."""
    rows = len(uniform)
    settings = {"temperature": 1.0, "top_p": 1.0, "penalty": 1.0, **values}
    seen = settings.pop("seen", torch.zeros(VOCABULARY, dtype=torch.bool))
    return sample_tokens(
        logits.expand(rows, -1),
        seen[None],
        torch.zeros(rows, dtype=torch.int64),
        uniform=uniform,
        **{name: torch.full((rows,), value) for name, value in settings.items()},
    )


@pytest.mark.parametrize(
    ("temperature", "top_p", "penalty"), [(0.7, 0.9, 1.1), (1.0, 1.0, 1.0), (1.5, 0.6, 1.3), (0.3, 0.95, 1.0)]
)
def test_shares_are_those_of_transformers(temperature: float, top_p: float, penalty: float) -> None:
    logits = torch.randn(VOCABULARY, generator=torch.Generator().manual_seed(1)) * 2
    reply = torch.tensor([[3, 7, 7, 11]])
    seen = torch.zeros(VOCABULARY, dtype=torch.bool)
    seen[reply] = True
    scores = RepetitionPenaltyLogitsProcessor(penalty)(reply, logits[None].clone())
    scores = TopPLogitsWarper(top_p)(reply, TemperatureLogitsWarper(temperature)(reply, scores))
    exact = scores.softmax(-1)[0]
    count = 100_000
    uniform = (torch.arange(count) + 0.5) / count  # every share is met as often as it is large
    tokens = sample(logits, uniform, temperature=temperature, top_p=top_p, penalty=penalty, seen=seen)
    found = torch.bincount(tokens, minlength=VOCABULARY) / count
    assert torch.allclose(found, exact, atol=2e-4)
    assert set(tokens.tolist()) == set(exact.nonzero()[:, 0].tolist())


def test_temperature_0_takes_the_likeliest_token_after_the_penalty() -> None:
    logits = torch.zeros(VOCABULARY)
    logits[5], logits[6] = 2.0, 1.5
    seen = torch.zeros(VOCABULARY, dtype=torch.bool)
    assert sample(logits, torch.tensor([0.0, 0.99]), temperature=0.0, seen=seen).tolist() == [5, 5]
    seen[5] = True
    assert sample(logits, torch.tensor([0.0, 0.99]), temperature=0.0, penalty=2.0, seen=seen).tolist() == [6, 6]


def test_the_ends_of_the_range_are_tokens_too() -> None:
    logits = torch.full((VOCABULARY,), -30.0)
    logits[4] = 10.0
    assert sample(logits, torch.tensor([0.0, 1.0]), top_p=0.5).tolist() == [4, 4]
