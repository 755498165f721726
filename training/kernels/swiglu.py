"""The gated activation of the feed-forward part, its derivative, and the low-rank products that adapters need of both.

    h = silu(g) u, silu(g) = g s, s = sigmoid(g), for the halves g, u of a token's numbers
    dg = dh u s (1 + g (1 - s)), du = dh silu(g)

The backward pass recomputes h instead of keeping it, and writes over its inputs. The forward pass has no kernel: one
was 5 % slower than what torch.compile makes.

Source: Shazeer, "GLU Variants Improve Transformer", 2020, equation 6.
"""

# ruff: noqa: N803 - constants of a kernel are capitals, as Triton writes them

from __future__ import annotations

import torch

from training.kernels.optional_triton import jit, tl, triton
from training.model.device import read_bandwidth

_SIZE = 2048  # numbers of a program
# Of `swiglu_lora_backward_triton`: tokens and columns of a tile, parts that the columns are cut into, warps, loads in
# flight; the quickest of eight on an H100.
LORA_TILE = (32, 64, 8, 4, 3)
_LARGEST_RANK = 64  # beyond it, the sums of a tile do not fit into registers
# Bytes a second, as the maker says, from which reading all again costs less than a tile's arithmetic: it costs more on
# an H100 (3.4e12, 757 us against 623), less on an H200 (4.8e12, 580 against 634).
_FAST_MEMORY = 4e12


def swiglu(gate_up: torch.Tensor) -> torch.Tensor:
    """Return silu(gate) times up: the reference, and what is compiled.

    Args:
        gate_up: What the gate and up projections put out, side by side; shape (tokens, 2 width).

    Returns:
        Shape (tokens, width), in the format of `gate_up`.
    """
    gate, up = gate_up.chunk(2, dim=1)
    return (torch.nn.functional.silu(gate.float()) * up.float()).to(gate_up.dtype)


def swiglu_backward(gate_up: torch.Tensor, gradient: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Return what `swiglu` returned, recomputed, and the gradient of its input: the reference.

    Args:
        gate_up: As given to `swiglu`; a kernel writes over it.
        gradient: Of what that returned, shape (tokens, width); a kernel writes over it.

    Returns:
        The activation, shape (tokens, width); and the gradient, shape (tokens, 2 width).
    """
    gate, up = (half.float() for half in gate_up.chunk(2, dim=1))
    wide = gradient.float()
    share = torch.sigmoid(gate)
    slope = share * (1 + gate * (1 - share))
    gate_up_grad = torch.cat((wide * up * slope, wide * gate * share), dim=1)
    return (gate * share * up).to(gate_up.dtype), gate_up_grad.to(gate_up.dtype)


def swiglu_lora_backward(
    gate_up: torch.Tensor,
    gradient: torch.Tensor,
    gate_lora_b: torch.Tensor,
    up_lora_b: torch.Tensor,
    down_lora_a: torch.Tensor,
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]:
    """Return what `swiglu_backward` does, and the low-rank products of it that the adapters around it need.

    Args:
        gate_up: As for `swiglu_backward`; a kernel writes over it.
        gradient: The same.
        gate_lora_b: lora_B of the gate projection; shape (width, rank).
        up_lora_b: lora_B of the up projection; shape (width, rank).
        down_lora_a: lora_A of the down projection, which reads the activation; shape (rank, width).

    Returns:
        The activation and the gradient, as `swiglu_backward` returns them; the activation times lora_A, shape
        (tokens, rank); and the halves of the gradient times their lora_B, side by side, shape (tokens, 2 rank).
    """
    activation, gate_up_grad = swiglu_backward(gate_up, gradient)
    return activation, gate_up_grad, *_multiply_low_rank(activation, gate_up_grad, gate_lora_b, up_lora_b, down_lora_a)


def _multiply_low_rank(
    activation: torch.Tensor,
    gate_up_grad: torch.Tensor,
    gate_lora_b: torch.Tensor,
    up_lora_b: torch.Tensor,
    down_lora_a: torch.Tensor,
) -> tuple[torch.Tensor, torch.Tensor]:
    gate, up = gate_up_grad.chunk(2, dim=1)
    return activation @ down_lora_a.t(), torch.cat((gate @ gate_lora_b, up @ up_lora_b), dim=1)


@jit
def _swiglu_backward(gate_up, gradient, width, SIZE: tl.constexpr):  # type: ignore[no-untyped-def]
    token = tl.program_id(0).to(tl.int64)
    column = tl.program_id(1) * SIZE + tl.arange(0, SIZE)
    inside = column < width
    twice = token * 2 * width + column
    gate = tl.load(gate_up + twice, mask=inside).to(tl.float32)
    up = tl.load(gate_up + twice + width, mask=inside).to(tl.float32)
    wide = tl.load(gradient + token * width + column, mask=inside).to(tl.float32)
    share = tl.sigmoid(gate)
    value = gate * share
    tl.store(gradient + token * width + column, (value * up).to(gradient.dtype.element_ty), mask=inside)
    slope = share * (1 + gate * (1 - share))
    tl.store(gate_up + twice, (wide * up * slope).to(gate_up.dtype.element_ty), mask=inside)
    tl.store(gate_up + twice + width, (wide * value).to(gate_up.dtype.element_ty), mask=inside)


def swiglu_backward_triton(gate_up: torch.Tensor, gradient: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Do what `swiglu_backward` does, in one pass over its inputs' memory; compiled, that takes two passes.

    Args:
        gate_up: As there, contiguous; holds the gradient afterwards.
        gradient: As there, contiguous; holds the activation afterwards.

    Returns:
        As there: `gradient` and `gate_up`.
    """
    width = gradient.shape[1]
    _swiglu_backward[(len(gradient), triton.cdiv(width, _SIZE))](gate_up, gradient, width, SIZE=_SIZE, num_warps=4)
    return gradient, gate_up


@jit
def _swiglu_lora_backward(  # type: ignore[no-untyped-def]  # Triton compiles it
    gate_up,
    gradient,
    gate_lora_b,
    up_lora_b,
    down_lora_a,
    activation,
    gate_up_grad,
    sums,
    tokens,
    WIDTH: tl.constexpr,
    RANK: tl.constexpr,
    PADDED_RANK: tl.constexpr,
    TOKENS: tl.constexpr,
    COLUMNS: tl.constexpr,
    PART: tl.constexpr,
    EVEN: tl.constexpr,
):
    here = tl.program_id(0) * TOKENS
    first = here.to(tl.int64) * WIDTH  # what is counted from here fits into 32 bits, which saves registers
    gate_up += 2 * first
    gate_up_grad += 2 * first
    gradient += first
    activation += first
    token = tl.arange(0, TOKENS)[:, None]
    exists = here + token < tokens
    rank = tl.arange(0, PADDED_RANK)[None, :]
    gate_sum = tl.zeros((TOKENS, PADDED_RANK), tl.float32)
    up_sum = tl.zeros((TOKENS, PADDED_RANK), tl.float32)
    down_sum = tl.zeros((TOKENS, PADDED_RANK), tl.float32)
    begin = tl.program_id(1) * PART
    for start in range(begin, begin + PART, COLUMNS):
        column = start + tl.arange(0, COLUMNS)
        inside, low_rank = exists, rank < RANK
        if not EVEN:
            there = (column < WIDTH) & (column < begin + PART)
            inside, low_rank = inside & there[None, :], low_rank & there[:, None]
        at = token * WIDTH + column[None, :]
        twice = at + token * WIDTH
        gate = tl.load(gate_up + twice, mask=inside, other=0.0).to(tl.float32)
        up = tl.load(gate_up + twice + WIDTH, mask=inside, other=0.0).to(tl.float32)
        wide = tl.load(gradient + at, mask=inside, other=0.0).to(tl.float32)
        share = tl.sigmoid(gate)
        value = gate * share
        result = (value * up).to(activation.dtype.element_ty)
        gate_grad = (wide * up * (share * (1 + gate * (1 - share)))).to(gate_up_grad.dtype.element_ty)
        up_grad = (wide * value).to(gate_up_grad.dtype.element_ty)
        tl.store(activation + at, result, mask=inside)
        tl.store(gate_up_grad + twice, gate_grad, mask=inside)
        tl.store(gate_up_grad + twice + WIDTH, up_grad, mask=inside)
        place = column[:, None] * RANK + rank
        gate_b = tl.load(gate_lora_b + place, mask=low_rank, other=0.0)
        gate_sum = tl.dot(gate_grad, gate_b, gate_sum, input_precision="ieee")
        up_b = tl.load(up_lora_b + place, mask=low_rank, other=0.0)
        up_sum = tl.dot(up_grad, up_b, up_sum, input_precision="ieee")
        down_a = tl.load(down_lora_a + rank * WIDTH + column[:, None], mask=low_rank, other=0.0)
        down_sum = tl.dot(result, down_a, down_sum, input_precision="ieee")
    out = sums + (tl.program_id(1) * tokens + here + token) * 3 * RANK + rank
    mask = exists & (rank < RANK)
    tl.store(out, down_sum, mask=mask)
    tl.store(out + RANK, gate_sum, mask=mask)
    tl.store(out + 2 * RANK, up_sum, mask=mask)


def swiglu_lora_backward_triton(
    gate_up: torch.Tensor,
    gradient: torch.Tensor,
    gate_lora_b: torch.Tensor,
    up_lora_b: torch.Tensor,
    down_lora_a: torch.Tensor,
    *,
    single_pass: bool | None = None,
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]:
    """Do what `swiglu_lora_backward` does, over its inputs' memory.

    Args:
        gate_up: As there, contiguous; holds the gradient afterwards.
        gradient: As there, contiguous; holds the activation afterwards.
        gate_lora_b: As there, contiguous.
        up_lora_b: As there, contiguous.
        down_lora_a: As there, contiguous.
        single_pass: Make the products while the numbers are at hand, instead of reading them again; None to let the
            rank and the GPU's memory decide.

    Returns:
        As there: `gradient`, `gate_up`, and the two low-rank products.
    """
    rank = len(down_lora_a)
    if single_pass is None:
        single_pass = rank <= _LARGEST_RANK and read_bandwidth() < _FAST_MEMORY
    if not single_pass:
        results = swiglu_backward_triton(gate_up, gradient)
        return *results, *_multiply_low_rank(*results, gate_lora_b, up_lora_b, down_lora_a)
    tokens, width = gradient.shape
    tile_tokens, columns, parts, warps, stages = LORA_TILE
    part = triton.cdiv(triton.cdiv(width, columns), parts) * columns
    sums = gate_up.new_empty(triton.cdiv(width, part), tokens, 3 * rank, dtype=torch.float32)
    _swiglu_lora_backward[(triton.cdiv(tokens, tile_tokens), len(sums))](
        gate_up,
        gradient,
        gate_lora_b,
        up_lora_b,
        down_lora_a,
        gradient,  # results lie where inputs lay; with one pointer for both, it takes 203 registers instead of 152
        gate_up,
        sums,
        tokens,
        WIDTH=width,
        RANK=rank,
        PADDED_RANK=max(16, triton.next_power_of_2(rank)),
        TOKENS=tile_tokens,
        COLUMNS=columns,
        PART=part,
        EVEN=width % part == 0,
        num_warps=warps,
        num_stages=stages,
    )
    products = sums.sum(0).to(gate_up.dtype)
    return gradient, gate_up, products[:, :rank], products[:, rank:]
