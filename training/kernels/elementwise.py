"""Element-wise work in one pass over memory each, where torch.compile makes more or narrower ones of it.

Must compute what the functions of `training.kernels.pieces` with the same names do.
"""

from __future__ import annotations

import torch
import triton  # type: ignore[import-not-found,import-untyped,unused-ignore]  # comes with torch for CUDA only
import triton.language as tl  # type: ignore[import-not-found,import-untyped,unused-ignore]  # the same

from training.kernels.pieces import multiply_narrow
from training.model.device import read_bandwidth

_SIZE = 2048  # numbers of a program
# Of `ungate_narrow`: tokens and columns of a tile, parts that the columns are cut into, warps, loads in flight; the
# quickest of eight on an H100.
NARROWING = (32, 64, 8, 4, 3)
_LARGEST_RANK = 64  # beyond it, the sums of a tile do not fit into registers
# Bytes a second, as the maker says, from which reading all again costs less than a tile's arithmetic: it costs more on
# an H100 (3.4e12, 757 us against 623), less on an H200 (4.8e12, 580 against 634).
_FAST_MEMORY = 4e12


@triton.jit  # type: ignore[untyped-decorator,unused-ignore]  # Triton leaves it so
def _normalise(states, weight, out, eps, HIDDEN: tl.constexpr, PADDED: tl.constexpr):  # type: ignore[no-untyped-def]  # noqa: N803
    at = tl.arange(0, PADDED)
    inside = at < HIDDEN
    row = tl.program_id(0).to(tl.int64) * HIDDEN + at
    wide = tl.load(states + row, mask=inside, other=0.0).to(tl.float32)
    wide = (wide * tl.rsqrt(tl.sum(wide * wide, 0) / HIDDEN + eps)).to(out.dtype.element_ty).to(tl.float32)
    wide *= tl.load(weight + at, mask=inside, other=0.0).to(tl.float32)
    tl.store(out + row, wide.to(out.dtype.element_ty), mask=inside)


def normalise(states: torch.Tensor, weight: torch.Tensor, eps: float) -> torch.Tensor:
    """Do what `training.kernels.pieces.normalise` does, a token in registers at a time."""
    states = states.contiguous()
    out = torch.empty_like(states)
    hidden = states.shape[1]
    padded = triton.next_power_of_2(hidden)
    _normalise[(len(states),)](states, weight, out, eps, HIDDEN=hidden, PADDED=padded, num_warps=_count_warps(padded))
    return out


@triton.jit  # type: ignore[untyped-decorator,unused-ignore]  # Triton leaves it so
def _denormalise(  # type: ignore[no-untyped-def]  # Triton compiles it
    gradient,
    states,
    weight,
    also,
    out,
    eps,
    HIDDEN: tl.constexpr,  # noqa: N803
    PADDED: tl.constexpr,  # noqa: N803
):
    at = tl.arange(0, PADDED)
    inside = at < HIDDEN
    row = tl.program_id(0).to(tl.int64) * HIDDEN + at
    wide = tl.load(states + row, mask=inside, other=0.0).to(tl.float32)
    inner = tl.load(gradient + row, mask=inside, other=0.0).to(tl.float32)
    inner *= tl.load(weight + at, mask=inside, other=0.0).to(tl.float32)
    scale = tl.rsqrt(tl.sum(wide * wide, 0) / HIDDEN + eps)
    wide *= scale
    inner = scale * (inner - wide * (tl.sum(inner * wide, 0) / HIDDEN))
    inner += tl.load(also + row, mask=inside, other=0.0).to(tl.float32)
    tl.store(out + row, inner.to(out.dtype.element_ty), mask=inside)


def denormalise(
    gradient: torch.Tensor, states: torch.Tensor, weight: torch.Tensor, eps: float, also: torch.Tensor
) -> torch.Tensor:
    """Do what `training.kernels.pieces.denormalise` does, a token in registers at a time."""
    gradient, states = gradient.contiguous(), states.contiguous()
    out = torch.empty_like(states)
    hidden = states.shape[1]
    padded = triton.next_power_of_2(hidden)
    _denormalise[(len(states),)](
        gradient,
        states,
        weight,
        also.contiguous(),
        out,
        eps,
        HIDDEN=hidden,
        PADDED=padded,
        num_warps=_count_warps(padded),
    )
    return out


def _count_warps(numbers: int) -> int:
    return min(16, max(1, numbers // 512))


@triton.jit  # type: ignore[untyped-decorator,unused-ignore]  # Triton leaves it so
def _ungate(joined, gradient, width, SIZE: tl.constexpr):  # type: ignore[no-untyped-def]  # noqa: N803
    token = tl.program_id(0).to(tl.int64)
    column = tl.program_id(1) * SIZE + tl.arange(0, SIZE)
    inside = column < width
    twice = token * 2 * width + column
    left = tl.load(joined + twice, mask=inside).to(tl.float32)
    right = tl.load(joined + twice + width, mask=inside).to(tl.float32)
    wide = tl.load(gradient + token * width + column, mask=inside).to(tl.float32)
    share = tl.sigmoid(left)
    value = left * share
    tl.store(gradient + token * width + column, (value * right).to(gradient.dtype.element_ty), mask=inside)
    slope = share * (1 + left * (1 - share))
    tl.store(joined + twice, (wide * right * slope).to(joined.dtype.element_ty), mask=inside)
    tl.store(joined + twice + width, (wide * value).to(joined.dtype.element_ty), mask=inside)


def ungate(joined: torch.Tensor, gradient: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Do what `training.kernels.pieces.ungate` does in one pass, over its inputs; compiled, that takes two passes."""
    width = gradient.shape[1]
    _ungate[(len(gradient), triton.cdiv(width, _SIZE))](joined, gradient, width, SIZE=_SIZE, num_warps=4)
    return gradient, joined


@triton.jit  # type: ignore[untyped-decorator,unused-ignore]  # Triton leaves it so
def _ungate_narrow(  # type: ignore[no-untyped-def]  # Triton compiles it
    joined,
    gradient,
    left_second,
    right_second,
    first,
    gated,
    back,
    sums,
    tokens,
    WIDTH: tl.constexpr,  # noqa: N803
    RANK: tl.constexpr,  # noqa: N803
    PADDED_RANK: tl.constexpr,  # noqa: N803
    TOKENS: tl.constexpr,  # noqa: N803
    COLUMNS: tl.constexpr,  # noqa: N803
    PART: tl.constexpr,  # noqa: N803
    EVEN: tl.constexpr,  # noqa: N803
):
    here = tl.program_id(0) * TOKENS
    wide_at = here.to(tl.int64) * WIDTH  # what is counted from here fits into 32 bits, which saves registers
    joined += 2 * wide_at
    back += 2 * wide_at
    gradient += wide_at
    gated += wide_at
    token = tl.arange(0, TOKENS)[:, None]
    real = here + token < tokens
    rank = tl.arange(0, PADDED_RANK)[None, :]
    left_sum = tl.zeros((TOKENS, PADDED_RANK), tl.float32)
    right_sum = tl.zeros((TOKENS, PADDED_RANK), tl.float32)
    gated_sum = tl.zeros((TOKENS, PADDED_RANK), tl.float32)
    begin = tl.program_id(1) * PART
    for start in range(begin, begin + PART, COLUMNS):
        column = start + tl.arange(0, COLUMNS)
        inside, narrow = real, rank < RANK
        if not EVEN:
            there = (column < WIDTH) & (column < begin + PART)
            inside, narrow = inside & there[None, :], narrow & there[:, None]
        at = token * WIDTH + column[None, :]
        twice = at + token * WIDTH
        left = tl.load(joined + twice, mask=inside, other=0.0).to(tl.float32)
        right = tl.load(joined + twice + WIDTH, mask=inside, other=0.0).to(tl.float32)
        wide = tl.load(gradient + at, mask=inside, other=0.0).to(tl.float32)
        share = tl.sigmoid(left)
        value = left * share
        result = (value * right).to(gated.dtype.element_ty)
        left_back = (wide * right * (share * (1 + left * (1 - share)))).to(back.dtype.element_ty)
        right_back = (wide * value).to(back.dtype.element_ty)
        tl.store(gated + at, result, mask=inside)
        tl.store(back + twice, left_back, mask=inside)
        tl.store(back + twice + WIDTH, right_back, mask=inside)
        place = column[:, None] * RANK + rank
        left_sum = tl.dot(
            left_back, tl.load(left_second + place, mask=narrow, other=0.0), left_sum, input_precision="ieee"
        )
        right_sum = tl.dot(
            right_back, tl.load(right_second + place, mask=narrow, other=0.0), right_sum, input_precision="ieee"
        )
        firsts = tl.load(first + rank * WIDTH + column[:, None], mask=narrow, other=0.0)
        gated_sum = tl.dot(result, firsts, gated_sum, input_precision="ieee")
    out = sums + (tl.program_id(1) * tokens + here + token) * 3 * RANK + rank
    mask = real & (rank < RANK)
    tl.store(out, gated_sum, mask=mask)
    tl.store(out + RANK, left_sum, mask=mask)
    tl.store(out + 2 * RANK, right_sum, mask=mask)


def ungate_narrow(
    joined: torch.Tensor,
    gradient: torch.Tensor,
    left_second: torch.Tensor,
    right_second: torch.Tensor,
    first: torch.Tensor,
    *,
    together: bool | None = None,
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]:
    """Do what `training.kernels.pieces.ungate_narrow` does, over its inputs.

    Args:
        joined: As there.
        gradient: As there.
        left_second: As there.
        right_second: As there.
        first: As there.
        together: Make the products while the numbers are at hand, instead of reading them again; None to let the
            GPU's memory decide.
    """
    rank = len(first)
    if together is None:
        together = rank <= _LARGEST_RANK and read_bandwidth() < _FAST_MEMORY
    if not together:
        gated, back = ungate(joined, gradient)
        return gated, back, *multiply_narrow(gated, back, left_second, right_second, first)
    tokens, width = gradient.shape
    share, columns, parts, warps, stages = NARROWING
    part = triton.cdiv(triton.cdiv(width, columns), parts) * columns
    sums = joined.new_empty(triton.cdiv(width, part), tokens, 3 * rank, dtype=torch.float32)
    _ungate_narrow[(triton.cdiv(tokens, share), len(sums))](
        joined,
        gradient,
        left_second,
        right_second,
        first,
        gradient,  # results lie where inputs lay; with one pointer for both, it takes 203 registers instead of 152
        joined,
        sums,
        tokens,
        WIDTH=width,
        RANK=rank,
        PADDED_RANK=max(16, triton.next_power_of_2(rank)),
        TOKENS=share,
        COLUMNS=columns,
        PART=part,
        EVEN=width % part == 0,
        num_warps=warps,
        num_stages=stages,
    )
    narrow = sums.sum(0).to(joined.dtype)
    return gradient, joined, narrow[:, :rank], narrow[:, rank:]


@triton.jit  # type: ignore[untyped-decorator,unused-ignore]  # Triton leaves it so
def _turn(  # type: ignore[no-untyped-def]  # Triton compiles it
    joined,
    query,
    key,
    value,
    cos,
    sin,
    HEADS: tl.constexpr,  # noqa: N803
    GROUPS: tl.constexpr,  # noqa: N803
    PADDED: tl.constexpr,  # noqa: N803
    HALF: tl.constexpr,  # noqa: N803
    PADDED_HALF: tl.constexpr,  # noqa: N803
    BACK: tl.constexpr,  # noqa: N803
):
    token = tl.program_id(0).to(tl.int64)
    head = tl.arange(0, PADDED)[:, None]
    at = tl.arange(0, PADDED_HALF)[None, :]
    inside = at < HALF
    along = tl.load(cos + token * 2 * HALF + at, mask=inside).to(tl.float32)
    across = tl.load(sin + token * 2 * HALF + at, mask=inside).to(tl.float32)
    turned = head < HEADS + GROUPS
    along = tl.where(turned, along, 1.0)
    across = tl.where(turned, across, 0.0)
    together = joined + (token * (HEADS + 2 * GROUPS) + head) * 2 * HALF + at
    queries = query + (token * HEADS + head) * 2 * HALF + at
    keys = key + (token * GROUPS + head - HEADS) * 2 * HALF + at
    values = value + (token * GROUPS + head - HEADS - GROUPS) * 2 * HALF + at
    is_query = inside & (head < HEADS)
    is_key = inside & (head >= HEADS) & turned
    is_value = inside & (head >= HEADS + GROUPS) & (head < HEADS + 2 * GROUPS)
    if BACK:
        left = tl.load(queries, mask=is_query, other=0.0).to(tl.float32)
        left += tl.load(keys, mask=is_key, other=0.0).to(tl.float32)
        left += tl.load(values, mask=is_value, other=0.0).to(tl.float32)
        right = tl.load(queries + HALF, mask=is_query, other=0.0).to(tl.float32)
        right += tl.load(keys + HALF, mask=is_key, other=0.0).to(tl.float32)
        right += tl.load(values + HALF, mask=is_value, other=0.0).to(tl.float32)
        across = -across
    else:
        left = tl.load(together, mask=inside & (head < HEADS + 2 * GROUPS), other=0.0).to(tl.float32)
        right = tl.load(together + HALF, mask=inside & (head < HEADS + 2 * GROUPS), other=0.0).to(tl.float32)
    first = (left * along - right * across).to(joined.dtype.element_ty)
    second = (right * along + left * across).to(joined.dtype.element_ty)
    if BACK:
        tl.store(together, first, mask=inside & (head < HEADS + 2 * GROUPS))
        tl.store(together + HALF, second, mask=inside & (head < HEADS + 2 * GROUPS))
    else:
        tl.store(queries, first, mask=is_query)
        tl.store(queries + HALF, second, mask=is_query)
        tl.store(keys, first, mask=is_key)
        tl.store(keys + HALF, second, mask=is_key)
        tl.store(values, first, mask=is_value)
        tl.store(values + HALF, second, mask=is_value)


def turn(
    joined: torch.Tensor, cos: torch.Tensor, sin: torch.Tensor, heads: int, groups: int
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Do what `training.kernels.pieces.turn` does in one pass; compiled, that takes two."""
    width = cos.shape[1]
    query, key, value = (joined.new_empty(len(joined), count, width) for count in (heads, groups, groups))
    _launch_turn(joined, query, key, value, cos, sin, back=False)
    return query, key, value


def turn_back(
    query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, cos: torch.Tensor, sin: torch.Tensor
) -> torch.Tensor:
    """Do what `training.kernels.pieces.turn_back` does in one pass; compiled, that takes two."""
    query, key, value = (part.contiguous() for part in (query, key, value))
    joined = query.new_empty(len(query), (query.shape[1] + 2 * key.shape[1]) * query.shape[2])
    _launch_turn(joined, query, key, value, cos, sin, back=True)
    return joined


def _launch_turn(
    joined: torch.Tensor,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    cos: torch.Tensor,
    sin: torch.Tensor,
    *,
    back: bool,
) -> None:
    heads, groups, half = query.shape[1], key.shape[1], query.shape[2] // 2
    _turn[(len(joined),)](
        joined,
        query,
        key,
        value,
        cos.contiguous(),
        sin.contiguous(),
        HEADS=heads,
        GROUPS=groups,
        PADDED=triton.next_power_of_2(heads + 2 * groups),
        HALF=half,
        PADDED_HALF=triton.next_power_of_2(half),
        BACK=back,
        num_warps=4,
    )
