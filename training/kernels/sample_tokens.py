"""The next token of several replies at once: penalty, temperature, the likeliest tokens up to `top_p`, a draw.

    p_i = exp((x_i - max x) / T), x_i of seen tokens divided by the penalty, or multiplied where negative
    K = the largest threshold whose tokens, p_i >= K, hold a share of top_p
    token = the first i whose sum of p_j >= K, j <= i, exceeds u times that of all

The distribution is that of `training.serving.generation`. Each reply brings a number u between 0 and 1 for each of its
tokens, drawn from its own seed, so that a reply does not depend on which others are generated beside it. Sorting takes
a dozen kernels; here a program finds the threshold by halving, with all logits of a reply in registers.

Source: Keskar et al., "CTRL", 2019, section 4.1; Holtzman et al., "The Curious Case of Neural Text Degeneration", 2020,
section 3.1.
"""

# ruff: noqa: N803 - constants of a kernel are capitals, as Triton writes them

from __future__ import annotations

import torch

from training.kernels.optional_triton import jit, tl, triton

_COLDEST = 1e-4  # divides logits of replies that take the likeliest token anyway
_LARGEST = 32_768  # vocabulary, beyond which logits don't fit into registers
_LINE, _WARPS, _HALVINGS = 128, 32, 26


def sample_tokens(
    logits: torch.Tensor,
    seen: torch.Tensor,
    lines: torch.Tensor,
    *,
    temperature: torch.Tensor,
    top_p: torch.Tensor,
    penalty: torch.Tensor,
    uniform: torch.Tensor,
) -> torch.Tensor:
    """Choose the next token of each reply: the reference.

    Args:
        logits: Shape (replies, vocabulary).
        seen: Tokens that replies hold already; shape (lines, vocabulary), bool.
        lines: Which line of `seen` is a reply's; shape (replies,), int64, as all that follow in float32.
        temperature: 0 takes the likeliest token.
        top_p: Share of probability to draw from.
        penalty: Logits of seen tokens are divided by it, or multiplied where negative.
        uniform: Numbers from 0 up to 1 that decide.

    Returns:
        Token ids; shape (replies,), int64.
    """
    logits = logits.float()
    penalised = torch.where(logits < 0, logits * penalty[:, None], logits / penalty[:, None])
    logits = torch.where(seen[lines], penalised, logits)
    shares = torch.softmax(logits / temperature.clamp_min(_COLDEST)[:, None], dim=-1)
    ordered = shares.sort(dim=-1, descending=True).values
    inside = ordered.cumsum(dim=-1) - ordered < top_p[:, None]  # what the likelier ones leave below top_p
    inside[:, 0] = True
    threshold = torch.where(inside, ordered, 2.0).amin(dim=-1, keepdim=True)
    kept = torch.where(shares >= threshold, shares, 0.0)
    sums = kept.cumsum(dim=-1)
    place = (sums <= uniform[:, None] * sums[:, -1:]).sum(dim=-1)
    likeliest = logits.argmax(dim=-1)
    drawn = torch.where(place < logits.shape[1], place, likeliest)  # a share of 0 within rounding
    return torch.where(temperature > 0, drawn, likeliest)


@jit
def _sample_tokens(  # type: ignore[no-untyped-def]  # Triton compiles it
    logits,
    seen,
    lines,
    temperature,
    top_p,
    penalty,
    uniform,
    out,
    vocabulary,
    ROWS: tl.constexpr,
    LINE: tl.constexpr,
    HALVINGS: tl.constexpr,
    COLDEST: tl.constexpr,
):
    reply = tl.program_id(0)
    column = tl.arange(0, ROWS)[:, None] * LINE + tl.arange(0, LINE)[None, :]
    inside = column < vocabulary
    score = tl.load(logits + reply.to(tl.int64) * vocabulary + column, mask=inside, other=-float("inf")).to(tl.float32)
    line = tl.load(lines + reply)
    is_seen = tl.load(seen + line * vocabulary + column, mask=inside, other=0).to(tl.int1)
    factor = tl.load(penalty + reply)
    score = tl.where(is_seen, tl.where(score < 0, score * factor, score / factor), score)
    warmth = tl.load(temperature + reply)
    flat = tl.reshape(score, (ROWS * LINE,), can_reorder=True)
    largest = tl.max(flat, 0)
    at_best = tl.reshape(tl.where(score == largest, column, vocabulary), (ROWS * LINE,), can_reorder=True)
    likeliest = tl.min(at_best, 0)
    share = tl.where(inside, tl.exp((score - largest) / tl.maximum(warmth, COLDEST)), 0.0)
    flat = tl.reshape(share, (ROWS * LINE,), can_reorder=True)  # sums within threads, where lines are spread over them
    wanted = tl.load(top_p + reply) * tl.sum(flat, 0)
    low, high = 0.0, 1.0
    for _ in range(HALVINGS):
        middle = (low + high) * 0.5
        enough = tl.sum(tl.where(flat >= middle, flat, 0.0), 0) >= wanted
        low = tl.where(enough, middle, low)
        high = tl.where(enough, high, middle)
    kept = tl.where(share >= low, share, 0.0)
    sums = tl.sum(kept, 1)
    target = tl.load(uniform + reply) * tl.sum(sums, 0)
    number = tl.arange(0, ROWS)
    row = tl.sum((tl.cumsum(sums, 0) <= target).to(tl.int32), 0)
    before = tl.sum(tl.where(number < row, sums, 0.0), 0)
    own = tl.sum(tl.where(number[:, None] == row, kept, 0.0), 0)
    place = row * LINE + tl.sum((tl.cumsum(own, 0) + before <= target).to(tl.int32), 0)
    is_kept = tl.sum(tl.where(tl.arange(0, LINE) == place - row * LINE, own, 0.0), 0) > 0  # not so only within rounding
    drawn = tl.where(is_kept, place, likeliest)
    tl.store(out + reply, tl.where(warmth > 0, drawn, likeliest).to(tl.int64))


def sample_tokens_triton(
    logits: torch.Tensor,
    seen: torch.Tensor,
    lines: torch.Tensor,
    *,
    temperature: torch.Tensor,
    top_p: torch.Tensor,
    penalty: torch.Tensor,
    uniform: torch.Tensor,
) -> torch.Tensor:
    """Do what `sample_tokens` does; arguments and result as there. A larger vocabulary than 32,768 is left to it."""
    replies, vocabulary = logits.shape
    options = {"temperature": temperature, "top_p": top_p, "penalty": penalty, "uniform": uniform}
    if vocabulary > _LARGEST:
        return sample_tokens(logits, seen, lines, **options)
    out = torch.empty(replies, dtype=torch.int64, device=logits.device)
    _sample_tokens[(replies,)](
        logits.contiguous(),
        seen,
        lines,
        temperature.contiguous(),
        top_p.contiguous(),
        penalty.contiguous(),
        uniform.contiguous(),
        out,
        vocabulary,
        ROWS=triton.next_power_of_2(triton.cdiv(vocabulary, _LINE)),
        LINE=_LINE,
        HALVINGS=_HALVINGS,
        COLDEST=_COLDEST,
        num_warps=_WARPS,
    )
    return out
