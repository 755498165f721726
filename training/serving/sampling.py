"""Sampling the next tokens of several replies at once, in one fixed sequence of operations that a CUDA graph can hold.

The distribution is that of `training.serving.generation`: repetition penalty over the reply's own tokens, temperature,
then the smallest set of most likely tokens that reaches `top_p`. Each reply brings one number between 0 and 1 for each
of its tokens, drawn from its own seed, so that a reply does not depend on which others are generated beside it.
"""

from __future__ import annotations

import numpy as np
import torch

_COLDEST = 1e-4  # divides logits of replies that take the likeliest token anyway


def sample_tokens(
    logits: torch.Tensor,
    seen: torch.Tensor,
    *,
    temperature: torch.Tensor,
    top_p: torch.Tensor,
    penalty: torch.Tensor,
    uniform: torch.Tensor,
) -> torch.Tensor:
    """Choose the next token of each reply.

    Args:
        logits: Shape (replies, vocabulary).
        seen: Tokens that a reply holds already; shape (replies, vocabulary), bool.
        temperature: 0 takes the likeliest token; shape (replies,), as all that follow.
        top_p: Share of probability to draw from.
        penalty: Logits of seen tokens are divided by it, or multiplied where negative.
        uniform: Numbers from 0 up to 1 that decide.

    Returns:
        Token ids; shape (replies,), int64.

    Source: Keskar et al., "CTRL", 2019, section 4.1; Holtzman et al., "The Curious Case of Neural Text Degeneration",
    2020, section 3.1.
    """
    logits = logits.float()
    penalised = torch.where(logits < 0, logits * penalty[:, None], logits / penalty[:, None])
    logits = torch.where(seen, penalised, logits)
    shares = torch.softmax(logits / temperature.clamp_min(_COLDEST)[:, None], dim=-1)
    ordered, tokens = shares.sort(dim=-1, descending=True)
    sums = ordered.cumsum(dim=-1)
    inside = sums - ordered < top_p[:, None]  # what the likelier ones leave below top_p
    inside[:, 0] = True
    kept = torch.where(inside, sums, 0.0).amax(dim=-1, keepdim=True)
    place = (sums <= uniform[:, None] * kept).sum(dim=-1, keepdim=True)
    place = torch.minimum(place, inside.sum(dim=-1, keepdim=True) - 1)  # a share of 0 within rounding
    drawn = tokens.gather(1, place)[:, 0]
    return torch.where(temperature > 0, drawn, logits.argmax(dim=-1))


def draw_uniform(seed: int | None, count: int) -> torch.Tensor:
    """Draw the numbers that decide the tokens of a reply.

    Args:
        seed: Makes them repeatable; None draws others each time.
        count: How many.

    Returns:
        Shape (count,), float32, each from 0 up to 1.
    """
    return torch.from_numpy(np.random.default_rng(seed).random(count, dtype=np.float32))
