"""What a product with NF4 weights reads: normalised or gated states of a few tokens, and their low-rank products.

    h = x / f, f = max |x|, t = s (lora_A x), x = rms_norm(v) or swiglu(v) or v

The products of `training.kernels.nf4_matvec` want float16 numbers, even ones before odd ones. Divided by the largest of
its token, no number is too large for that format. The adapter's lora_A needs all of x too, so one pass makes both: each
program normalises or gates a whole token, which costs less than waiting for another kernel, and multiplies it by a few
rows of lora_A.

Source: Zhang and Sennrich, 2019, equation 4; Shazeer, 2020, equation 6; Hu et al., "LoRA", 2021, section 4.1.
"""

# ruff: noqa: N803 - constants of a kernel are capitals, as Triton writes them

from __future__ import annotations

import torch

from training.kernels.optional_triton import jit, tl, triton
from training.kernels.rms_norm import rms_norm
from training.kernels.swiglu import swiglu

KINDS = ("plain", "norm", "swiglu")
_ROWS, _PROGRAMS = 4, 132  # rows of lora_A of a program; where programs are fewer than this, each takes one
_SMALLEST = 1e-20  # factor of a token of zeros


def matvec_input(
    states: torch.Tensor,
    lora_a: torch.Tensor,
    scales: torch.Tensor,
    *,
    kind: str,
    weight: torch.Tensor | None = None,
    eps: float = 0.0,
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Prepare the input of a product: the reference.

    Args:
        states: Shape (tokens, columns); for `swiglu` (tokens, 2 columns), gate before up.
        lora_a: lora_A of the layers that read it, one below the other; shape (layers * rank, columns).
        scales: Of each row's product; shape (layers * rank,), float32.
        kind: One of KINDS: what is done to the states.
        weight: Of the norm; shape (columns,).
        eps: Of the norm.

    Returns:
        States over their factors, shape (tokens, 2, columns / 2), float16; the factors, shape (tokens,), float32; and
        the low-rank products, shape (tokens, layers * rank), float32.
    """
    if kind == "norm":
        assert weight is not None  # noqa: S101 - a norm has one
        states = rms_norm(states.float(), weight.float(), eps=eps)
    elif kind == "swiglu":
        states = swiglu(states.float())
    states = states.float()
    factor = states.abs().amax(dim=1).clamp_min(_SMALLEST)
    halves = (states / factor[:, None]).half()
    return halves.view(len(states), -1, 2).transpose(1, 2).contiguous(), factor, (states @ lora_a.float().t()) * scales


@jit
def _matvec_input(  # type: ignore[no-untyped-def]  # Triton compiles it
    states,
    weight,
    lora_a,
    scales,
    halves,
    factors,
    low_rank,
    eps,
    products,
    COLUMNS: tl.constexpr,
    PADDED: tl.constexpr,
    NORM: tl.constexpr,
    SWIGLU: tl.constexpr,
    ROWS: tl.constexpr,
    SMALLEST: tl.constexpr,
):
    token = tl.program_id(1).to(tl.int64)
    column = tl.arange(0, PADDED)
    inside = column < COLUMNS
    if SWIGLU:
        gate = tl.load(states + token * 2 * COLUMNS + column, mask=inside, other=0.0).to(tl.float32)
        up = tl.load(states + token * 2 * COLUMNS + COLUMNS + column, mask=inside, other=0.0).to(tl.float32)
        wide = gate / (1.0 + tl.exp(-gate)) * up
    else:
        wide = tl.load(states + token * COLUMNS + column, mask=inside, other=0.0).to(tl.float32)
    if NORM:
        wide *= tl.rsqrt(tl.sum(wide * wide, 0) / COLUMNS + eps)
        wide *= tl.load(weight + column, mask=inside, other=0.0).to(tl.float32)
    for number in tl.static_range(ROWS):
        row = tl.program_id(0) * ROWS + number
        narrow = tl.load(lora_a + row * COLUMNS + column, mask=inside, other=0.0).to(tl.float32)
        tl.store(low_rank + token * products + row, tl.sum(wide * narrow, 0) * tl.load(scales + row))
    if tl.program_id(0) == 0:
        factor = tl.maximum(tl.max(tl.abs(wide), 0), SMALLEST)
        tl.store(factors + token, factor)
        at = halves + token * COLUMNS + column % 2 * (COLUMNS // 2) + column // 2
        tl.store(at, (wide / factor).to(tl.float16), mask=inside)


def matvec_input_triton(
    states: torch.Tensor,
    lora_a: torch.Tensor,
    scales: torch.Tensor,
    *,
    kind: str,
    weight: torch.Tensor | None = None,
    eps: float = 0.0,
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Do what `matvec_input` does; arguments and results as there, all contiguous."""
    tokens, (products, columns) = len(states), lora_a.shape
    halves = torch.empty(tokens, 2, columns // 2, dtype=torch.float16, device=states.device)
    factors = torch.empty(tokens, dtype=torch.float32, device=states.device)
    low_rank = torch.empty(tokens, products, dtype=torch.float32, device=states.device)
    padded = triton.next_power_of_2(columns)
    rows = 1 if products * tokens <= _PROGRAMS else _ROWS
    _matvec_input[(products // rows, tokens)](
        states,
        states if weight is None else weight,
        lora_a,
        scales,
        halves,
        factors,
        low_rank,
        eps,
        products,
        COLUMNS=columns,
        PADDED=padded,
        NORM=kind == "norm",
        SWIGLU=kind == "swiglu",
        ROWS=rows,
        SMALLEST=_SMALLEST,
        num_warps=min(16, max(1, padded // 512)),
    )
    return halves, factors, low_rank
