"""Attention within the samples of a packed row, for samples as short as those of chats.

FlashAttention gives each sample tiles of its own, writes the gradients of keys and values for every query head, and
adds them up in another pass. Here tiles run across samples, and a program sees all query heads that share a key: each
tensor is written once. How far a tile must look follows from the positions alone, which restart with each sample.

Must compute what `training.fast.attention.attend_per_sample` does.

Source: Dao, "FlashAttention-2", 2023, algorithms 1 and 2.
"""

from __future__ import annotations

from typing import Any

import torch
import triton  # type: ignore[import-not-found,import-untyped,unused-ignore]  # comes with torch for CUDA only
import triton.language as tl  # type: ignore[import-not-found,import-untyped,unused-ignore]  # the same

# Tokens of queries and of keys in a tile, warps, and loads in flight; the quickest on an H200.
FORWARD = (64, 32, 4, 3)
BACK_TO_QUERIES = (64, 32, 4, 2)
BACK_TO_KEYS = (32, 64, 4, 3)
_LOG2_E = 1.4426950408889634
_LEAST_REACH = 16  # tiles; below, one compiled kernel serves all


@triton.jit  # type: ignore[untyped-decorator,unused-ignore]  # Triton leaves it so
def _forward(  # type: ignore[no-untyped-def]  # Triton compiles it; annotations mean something else there
    query,
    key,
    value,
    out,
    logs,
    positions,
    scale,
    tokens,
    query_stride,
    key_stride,
    value_stride,
    HEADS: tl.constexpr,  # noqa: N803 - constants of the kernel, as Triton writes them
    SHARE: tl.constexpr,  # noqa: N803
    WIDTH: tl.constexpr,  # noqa: N803
    QUERIES: tl.constexpr,  # noqa: N803
    KEYS: tl.constexpr,  # noqa: N803
):
    head = tl.program_id(1)
    along = tl.arange(0, WIDTH)
    at = tl.program_id(0) * QUERIES + tl.arange(0, QUERIES)
    inside = at < tokens
    start = at - tl.load(positions + at, mask=inside, other=0).to(tl.int32)
    queries_at = query + at[:, None].to(tl.int64) * query_stride + head * WIDTH + along[None, :]
    queries = tl.load(queries_at, mask=inside[:, None], other=0.0)
    largest = tl.full((QUERIES,), -1e30, tl.float32)  # finite: a key tile may hold nothing for some queries
    total = tl.zeros((QUERIES,), tl.float32)
    summed = tl.zeros((QUERIES, WIDTH), tl.float32)
    shared = head // SHARE * WIDTH + along[None, :]
    for begin in range(tl.min(start, 0), tl.minimum((tl.program_id(0) + 1) * QUERIES, tokens), KEYS):
        other = begin + tl.arange(0, KEYS)
        there = (other < tokens)[:, None]
        row = other[:, None].to(tl.int64)
        keys = tl.load(key + row * key_stride + shared, mask=there, other=0.0)
        values = tl.load(value + row * value_stride + shared, mask=there, other=0.0)
        seen = (other[None, :] <= at[:, None]) & (other[None, :] >= start[:, None])
        scores = tl.where(seen, tl.dot(queries, tl.trans(keys)) * scale, -float("inf"))
        higher = tl.maximum(largest, tl.max(scores, 1))
        shares = tl.exp2(scores - higher[:, None])
        shrunk = tl.exp2(largest - higher)
        total = total * shrunk + tl.sum(shares, 1)
        summed = tl.dot(shares.to(values.dtype), values, summed * shrunk[:, None])
        largest = higher
    out_at = out + (at[:, None].to(tl.int64) * HEADS + head) * WIDTH + along[None, :]
    tl.store(out_at, (summed / total[:, None]).to(out.dtype.element_ty), mask=inside[:, None])
    tl.store(logs + head * tokens + at, largest + tl.log2(total), mask=inside)


@triton.jit  # type: ignore[untyped-decorator,unused-ignore]  # Triton leaves it so
def _back_to_queries(  # type: ignore[no-untyped-def]  # Triton compiles it
    query,
    key,
    value,
    out,
    gradient,
    logs,
    deltas,
    query_back,
    positions,
    scale,
    tokens,
    query_stride,
    key_stride,
    value_stride,
    HEADS: tl.constexpr,  # noqa: N803
    SHARE: tl.constexpr,  # noqa: N803
    WIDTH: tl.constexpr,  # noqa: N803
    QUERIES: tl.constexpr,  # noqa: N803
    KEYS: tl.constexpr,  # noqa: N803
):
    head = tl.program_id(1)
    along = tl.arange(0, WIDTH)
    at = tl.program_id(0) * QUERIES + tl.arange(0, QUERIES)
    inside = at < tokens
    wide = inside[:, None]
    start = at - tl.load(positions + at, mask=inside, other=0).to(tl.int32)
    queries_at = query + at[:, None].to(tl.int64) * query_stride + head * WIDTH + along[None, :]
    queries = tl.load(queries_at, mask=wide, other=0.0)
    packed = (at[:, None].to(tl.int64) * HEADS + head) * WIDTH + along[None, :]
    gradients = tl.load(gradient + packed, mask=wide, other=0.0)
    results = tl.load(out + packed, mask=wide, other=0.0)
    delta = tl.sum(results.to(tl.float32) * gradients.to(tl.float32), 1)
    tl.store(deltas + head * tokens + at, delta, mask=inside)
    log = tl.load(logs + head * tokens + at, mask=inside, other=0.0)
    back = tl.zeros((QUERIES, WIDTH), tl.float32)
    shared = head // SHARE * WIDTH + along[None, :]
    for begin in range(tl.min(start, 0), tl.minimum((tl.program_id(0) + 1) * QUERIES, tokens), KEYS):
        other = begin + tl.arange(0, KEYS)
        there = (other < tokens)[:, None]
        row = other[:, None].to(tl.int64)
        keys = tl.load(key + row * key_stride + shared, mask=there, other=0.0)
        values = tl.load(value + row * value_stride + shared, mask=there, other=0.0)
        seen = (other[None, :] <= at[:, None]) & (other[None, :] >= start[:, None])
        scores = tl.where(seen, tl.dot(queries, tl.trans(keys)) * (scale * 1.4426950408889634), -float("inf"))
        shares = tl.exp2(scores - log[:, None])
        slopes = shares * (tl.dot(gradients, tl.trans(values)) - delta[:, None])
        back = tl.dot(slopes.to(keys.dtype), keys, back)
    tl.store(query_back + packed, (back * scale).to(query_back.dtype.element_ty), mask=wide)


@triton.jit  # type: ignore[untyped-decorator,unused-ignore]  # Triton leaves it so
def _back_to_keys(  # type: ignore[no-untyped-def]  # Triton compiles it
    query,
    key,
    value,
    gradient,
    logs,
    deltas,
    key_back,
    value_back,
    positions,
    scale,
    tokens,
    query_stride,
    key_stride,
    value_stride,
    HEADS: tl.constexpr,  # noqa: N803
    SHARE: tl.constexpr,  # noqa: N803
    WIDTH: tl.constexpr,  # noqa: N803
    QUERIES: tl.constexpr,  # noqa: N803
    KEYS: tl.constexpr,  # noqa: N803
    REACH: tl.constexpr,  # noqa: N803
):
    group = tl.program_id(1)
    along = tl.arange(0, WIDTH)
    begin = tl.program_id(0) * KEYS
    end = begin + KEYS
    at = begin + tl.arange(0, KEYS)
    inside = (at < tokens)[:, None]
    row = at[:, None].to(tl.int64)
    shared = group * WIDTH + along[None, :]
    keys = tl.load(key + row * key_stride + shared, mask=inside, other=0.0)
    values = tl.load(value + row * value_stride + shared, mask=inside, other=0.0)
    # Query tiles after this one that still hold a sample which began in it.
    later = end + tl.arange(0, REACH) * QUERIES
    starts = later - tl.load(positions + later, mask=later < tokens, other=0).to(tl.int32)
    tiles = KEYS // QUERIES + tl.sum(((later < tokens) & (starts < end)).to(tl.int32), 0)
    key_sum = tl.zeros((KEYS, WIDTH), tl.float32)
    value_sum = tl.zeros((KEYS, WIDTH), tl.float32)
    for step in range(tiles * SHARE):
        head = group * SHARE + step // tiles
        other = begin + step % tiles * QUERIES + tl.arange(0, QUERIES)
        there = other < tokens
        start = other - tl.load(positions + other, mask=there, other=0).to(tl.int32)
        place = other[:, None].to(tl.int64)
        queries_at = query + place * query_stride + head * WIDTH + along[None, :]
        queries = tl.load(queries_at, mask=there[:, None], other=0.0)
        gradients_at = gradient + (place * HEADS + head) * WIDTH + along[None, :]
        gradients = tl.load(gradients_at, mask=there[:, None], other=0.0)
        log = tl.load(logs + head * tokens + other, mask=there, other=0.0)
        delta = tl.load(deltas + head * tokens + other, mask=there, other=0.0)
        seen = (at[:, None] <= other[None, :]) & (at[:, None] >= start[None, :]) & there[None, :]
        scores = tl.where(seen, tl.dot(keys, tl.trans(queries)) * (scale * 1.4426950408889634), -float("inf"))
        shares = tl.exp2(scores - log[None, :])
        value_sum = tl.dot(shares.to(gradients.dtype), gradients, value_sum)
        slopes = shares * (tl.dot(values, tl.trans(gradients)) - delta[None, :])
        key_sum = tl.dot(slopes.to(queries.dtype), queries, key_sum)
    packed = row * (HEADS // SHARE) * WIDTH + shared
    tl.store(key_back + packed, (key_sum * scale).to(key_back.dtype.element_ty), mask=inside)
    tl.store(value_back + packed, value_sum.to(value_back.dtype.element_ty), mask=inside)


def attend(
    query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, positions: torch.Tensor, scale: float
) -> tuple[torch.Tensor, torch.Tensor]:
    """Attend within each sample of a row.

    Args:
        query: Shape (tokens, heads, width), bfloat16 or float16; the last two dimensions contiguous.
        key: Shape (tokens, groups, width), as `query`; the heads are a multiple of the groups.
        value: Like `key`.
        positions: Of each token in its sample, restarting at 0; shape (tokens,), integers.
        scale: Of the products.

    Returns:
        What was attended, shape (tokens, heads, width), contiguous; and for the backward pass the logarithms, to base
        2, of what the shares were divided by, shape (heads, tokens).
    """
    tokens, heads, width = query.shape
    out = query.new_empty(tokens, heads, width)
    logs = query.new_empty(heads, tokens, dtype=torch.float32)
    queries, keys, warps, stages = FORWARD
    _forward[(triton.cdiv(tokens, queries), heads)](
        query,
        key,
        value,
        out,
        logs,
        positions,
        scale * _LOG2_E,
        tokens,
        query.stride(0),
        key.stride(0),
        value.stride(0),
        **_name(query, key),
        QUERIES=queries,
        KEYS=keys,
        num_warps=warps,
        num_stages=stages,
    )
    return out, logs


def attend_back(
    gradient: torch.Tensor,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    positions: torch.Tensor,
    out: torch.Tensor,
    logs: torch.Tensor,
    *,
    scale: float,
    longest: int,
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Return the gradients of queries, keys and values.

    Args:
        gradient: Of what was attended, contiguous.
        query: As given to `attend`.
        key: The same.
        value: The same.
        positions: The same.
        out: As it returned.
        logs: The same.
        scale: As given to it.
        longest: Tokens of the longest sample, or more.
    """
    tokens, heads, _ = query.shape
    query_back = torch.empty_like(out)
    key_back, value_back = (key.new_empty(key.shape) for _ in range(2))
    deltas = torch.empty_like(logs)
    strides = query.stride(0), key.stride(0), value.stride(0)
    queries, keys, warps, stages = BACK_TO_QUERIES
    _back_to_queries[(triton.cdiv(tokens, queries), heads)](
        query,
        key,
        value,
        out,
        gradient,
        logs,
        deltas,
        query_back,
        positions,
        scale,
        tokens,
        *strides,
        **_name(query, key),
        QUERIES=queries,
        KEYS=keys,
        num_warps=warps,
        num_stages=stages,
    )
    queries, keys, warps, stages = BACK_TO_KEYS
    _back_to_keys[(triton.cdiv(tokens, keys), key.shape[1])](
        query,
        key,
        value,
        gradient,
        logs,
        deltas,
        key_back,
        value_back,
        positions,
        scale,
        tokens,
        *strides,
        **_name(query, key),
        QUERIES=queries,
        KEYS=keys,
        REACH=max(_LEAST_REACH, triton.next_power_of_2(triton.cdiv(longest, queries))),
        num_warps=warps,
        num_stages=stages,
    )
    return query_back, key_back, value_back


def _name(query: torch.Tensor, key: torch.Tensor) -> dict[str, Any]:
    return {"HEADS": query.shape[1], "SHARE": query.shape[1] // key.shape[1], "WIDTH": query.shape[2]}
