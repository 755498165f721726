"""Causal attention within each sample of a packed sequence, for samples as short as those of chats.

    s_ij = scale q_i·k_j, for j in the sample of i and j <= i
    o_i = sum_j p_ij v_j, p_ij = exp(s_ij - l_i), l_i = log sum_j exp(s_ij)

    dv_j = sum_i p_ij do_i
    ds_ij = p_ij (do_i·v_j - do_i·o_i)
    dq_i = scale sum_j ds_ij k_j, dk_j = scale sum_i ds_ij q_i

FlashAttention gives each sample tiles of its own, writes the gradients of keys and values for every query head, and
adds them up in another pass. Here tiles run across samples, and a program sees all query heads that share a key: each
tensor is written once. How far a tile must look follows from the position ids alone, which restart with each sample.

Source: Dao, "FlashAttention-2", 2023, algorithms 1 and 2.
"""

# ruff: noqa: N803 - constants of a kernel are capitals, as Triton writes them

from __future__ import annotations

from typing import Any

import torch

from training.kernels.optional_triton import jit, tl, triton

# Tokens of queries and of keys in a tile, warps, and loads in flight; the quickest on an H200.
FORWARD_TILE = (64, 32, 4, 3)
QUERY_GRADIENT_TILE = (64, 32, 4, 2)
KEY_GRADIENT_TILE = (32, 64, 4, 3)
LOG2_E = 1.4426950408889634
_LOG2_E = tl.constexpr(LOG2_E)
_LEAST_REACH = 16  # tiles; below, one compiled kernel serves all


def packed_attention(
    query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, position_ids: torch.Tensor, *, scale: float
) -> tuple[torch.Tensor, torch.Tensor]:
    """Attend within each sample: the reference.

    Args:
        query: Shape (tokens, heads, head width).
        key: Shape (tokens, key-value heads, head width); the heads are a multiple of the key-value heads.
        value: Like `key`.
        position_ids: Position of each token in its sample, restarting at 0; shape (tokens,), integers.
        scale: What products of queries and keys are multiplied by.

    Returns:
        The attended values, shape (tokens, heads, head width); and for the backward pass the logarithms, to base 2, of
        the sums that the shares were divided by, float32, shape (heads, tokens).
    """
    scores = _score(query, key, position_ids, scale)
    log_sum_exp = torch.logsumexp(scores, dim=-1)
    shares = torch.exp(scores - log_sum_exp[:, :, None])
    out = torch.einsum("hqk,khd->qhd", shares, _repeat(value, query))
    return out.to(query.dtype), log_sum_exp * LOG2_E


def packed_attention_backward(
    gradient: torch.Tensor,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    position_ids: torch.Tensor,
    out: torch.Tensor,
    log_sum_exp: torch.Tensor,
    *,
    scale: float,
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Return the gradients of queries, keys and values, shaped like them: the reference.

    Args:
        gradient: Of the attended values; shape (tokens, heads, head width).
        query: As given to `packed_attention`.
        key: The same.
        value: The same.
        position_ids: The same.
        out: What that returned first.
        log_sum_exp: What it returned second.
        scale: As given to it.
    """
    shares = torch.exp(_score(query, key, position_ids, scale) - log_sum_exp[:, :, None] / LOG2_E)
    wide = gradient.float()
    delta = (wide * out.float()).sum(-1).t()
    slopes = shares * (torch.einsum("qhd,khd->hqk", wide, _repeat(value, query)) - delta[:, :, None])
    query_gradient = torch.einsum("hqk,khd->qhd", slopes, _repeat(key, query)) * scale
    key_gradient = torch.einsum("hqk,qhd->khd", slopes, query.float()) * scale
    value_gradient = torch.einsum("hqk,qhd->khd", shares, wide)
    shared = (len(key), key.shape[1], -1, key.shape[2])
    key_gradient, value_gradient = (part.reshape(shared).sum(2) for part in (key_gradient, value_gradient))
    return query_gradient.to(query.dtype), key_gradient.to(key.dtype), value_gradient.to(value.dtype)


def _score(query: torch.Tensor, key: torch.Tensor, position_ids: torch.Tensor, scale: float) -> torch.Tensor:
    """Return the scaled products, -inf where a query does not see a key; float32, shape (heads, tokens, tokens)."""
    index = torch.arange(len(query), device=query.device)
    starts = (index - position_ids)[:, None]
    visible = (index[None] <= index[:, None]) & (index[None] >= starts)
    scores = torch.einsum("qhd,khd->hqk", query.float(), _repeat(key, query)) * scale
    return scores.masked_fill(~visible, -torch.inf)


def _repeat(states: torch.Tensor, query: torch.Tensor) -> torch.Tensor:
    """Return keys or values for every query head, in float32."""
    return states.float().repeat_interleave(query.shape[1] // states.shape[1], dim=1)


@jit
def _attend(  # type: ignore[no-untyped-def]  # Triton compiles it; annotations mean something else there
    query,
    key,
    value,
    out,
    log_sum_exp,
    position_ids,
    scale,
    tokens,
    query_stride,
    key_stride,
    value_stride,
    HEADS: tl.constexpr,
    HEADS_PER_KEY: tl.constexpr,
    WIDTH: tl.constexpr,
    QUERIES: tl.constexpr,
    KEYS: tl.constexpr,
):
    head = tl.program_id(1)
    column = tl.arange(0, WIDTH)
    at = tl.program_id(0) * QUERIES + tl.arange(0, QUERIES)
    inside = at < tokens
    start = at - tl.load(position_ids + at, mask=inside, other=0).to(tl.int32)
    queries_at = query + at[:, None].to(tl.int64) * query_stride + head * WIDTH + column[None, :]
    queries = tl.load(queries_at, mask=inside[:, None], other=0.0)
    largest = tl.full((QUERIES,), -1e30, tl.float32)  # finite: a key tile may hold nothing for some queries
    total = tl.zeros((QUERIES,), tl.float32)
    summed = tl.zeros((QUERIES, WIDTH), tl.float32)
    shared = head // HEADS_PER_KEY * WIDTH + column[None, :]
    for begin in range(tl.min(start, 0), tl.minimum((tl.program_id(0) + 1) * QUERIES, tokens), KEYS):
        other = begin + tl.arange(0, KEYS)
        exists = (other < tokens)[:, None]
        token = other[:, None].to(tl.int64)
        keys = tl.load(key + token * key_stride + shared, mask=exists, other=0.0)
        values = tl.load(value + token * value_stride + shared, mask=exists, other=0.0)
        visible = (other[None, :] <= at[:, None]) & (other[None, :] >= start[:, None])
        scores = tl.where(visible, tl.dot(queries, tl.trans(keys)) * scale, -float("inf"))
        higher = tl.maximum(largest, tl.max(scores, 1))
        shares = tl.exp2(scores - higher[:, None])
        shrunk = tl.exp2(largest - higher)
        total = total * shrunk + tl.sum(shares, 1)
        summed = tl.dot(shares.to(values.dtype), values, summed * shrunk[:, None])
        largest = higher
    out_at = out + (at[:, None].to(tl.int64) * HEADS + head) * WIDTH + column[None, :]
    tl.store(out_at, (summed / total[:, None]).to(out.dtype.element_ty), mask=inside[:, None])
    tl.store(log_sum_exp + head * tokens + at, largest + tl.log2(total), mask=inside)


@jit
def _differentiate_queries(  # type: ignore[no-untyped-def]  # Triton compiles it
    query,
    key,
    value,
    out,
    gradient,
    log_sum_exp,
    deltas,
    query_gradient,
    position_ids,
    scale,
    tokens,
    query_stride,
    key_stride,
    value_stride,
    HEADS: tl.constexpr,
    HEADS_PER_KEY: tl.constexpr,
    WIDTH: tl.constexpr,
    QUERIES: tl.constexpr,
    KEYS: tl.constexpr,
):
    head = tl.program_id(1)
    column = tl.arange(0, WIDTH)
    at = tl.program_id(0) * QUERIES + tl.arange(0, QUERIES)
    inside = at < tokens
    start = at - tl.load(position_ids + at, mask=inside, other=0).to(tl.int32)
    queries_at = query + at[:, None].to(tl.int64) * query_stride + head * WIDTH + column[None, :]
    queries = tl.load(queries_at, mask=inside[:, None], other=0.0)
    contiguous = (at[:, None].to(tl.int64) * HEADS + head) * WIDTH + column[None, :]
    gradients = tl.load(gradient + contiguous, mask=inside[:, None], other=0.0)
    results = tl.load(out + contiguous, mask=inside[:, None], other=0.0)
    delta = tl.sum(results.to(tl.float32) * gradients.to(tl.float32), 1)
    tl.store(deltas + head * tokens + at, delta, mask=inside)
    log = tl.load(log_sum_exp + head * tokens + at, mask=inside, other=0.0)
    summed = tl.zeros((QUERIES, WIDTH), tl.float32)
    shared = head // HEADS_PER_KEY * WIDTH + column[None, :]
    for begin in range(tl.min(start, 0), tl.minimum((tl.program_id(0) + 1) * QUERIES, tokens), KEYS):
        other = begin + tl.arange(0, KEYS)
        exists = (other < tokens)[:, None]
        token = other[:, None].to(tl.int64)
        keys = tl.load(key + token * key_stride + shared, mask=exists, other=0.0)
        values = tl.load(value + token * value_stride + shared, mask=exists, other=0.0)
        visible = (other[None, :] <= at[:, None]) & (other[None, :] >= start[:, None])
        scores = tl.where(visible, tl.dot(queries, tl.trans(keys)) * (scale * _LOG2_E), -float("inf"))
        shares = tl.exp2(scores - log[:, None])
        slopes = shares * (tl.dot(gradients, tl.trans(values)) - delta[:, None])
        summed = tl.dot(slopes.to(keys.dtype), keys, summed)
    tl.store(query_gradient + contiguous, (summed * scale).to(query_gradient.dtype.element_ty), mask=inside[:, None])


@jit
def _differentiate_keys(  # type: ignore[no-untyped-def]  # Triton compiles it
    query,
    key,
    value,
    gradient,
    log_sum_exp,
    deltas,
    key_gradient,
    value_gradient,
    position_ids,
    scale,
    tokens,
    query_stride,
    key_stride,
    value_stride,
    HEADS: tl.constexpr,
    HEADS_PER_KEY: tl.constexpr,
    WIDTH: tl.constexpr,
    QUERIES: tl.constexpr,
    KEYS: tl.constexpr,
    REACH: tl.constexpr,
):
    kv_head = tl.program_id(1)
    column = tl.arange(0, WIDTH)
    begin = tl.program_id(0) * KEYS
    end = begin + KEYS
    at = begin + tl.arange(0, KEYS)
    inside = (at < tokens)[:, None]
    token = at[:, None].to(tl.int64)
    shared = kv_head * WIDTH + column[None, :]
    keys = tl.load(key + token * key_stride + shared, mask=inside, other=0.0)
    values = tl.load(value + token * value_stride + shared, mask=inside, other=0.0)
    # Query tiles after this one that still hold a sample which began in it.
    later = end + tl.arange(0, REACH) * QUERIES
    starts = later - tl.load(position_ids + later, mask=later < tokens, other=0).to(tl.int32)
    tiles = KEYS // QUERIES + tl.sum(((later < tokens) & (starts < end)).to(tl.int32), 0)
    key_sum = tl.zeros((KEYS, WIDTH), tl.float32)
    value_sum = tl.zeros((KEYS, WIDTH), tl.float32)
    for step in range(tiles * HEADS_PER_KEY):
        head = kv_head * HEADS_PER_KEY + step // tiles
        other = begin + step % tiles * QUERIES + tl.arange(0, QUERIES)
        exists = other < tokens
        start = other - tl.load(position_ids + other, mask=exists, other=0).to(tl.int32)
        place = other[:, None].to(tl.int64)
        queries_at = query + place * query_stride + head * WIDTH + column[None, :]
        queries = tl.load(queries_at, mask=exists[:, None], other=0.0)
        gradients_at = gradient + (place * HEADS + head) * WIDTH + column[None, :]
        gradients = tl.load(gradients_at, mask=exists[:, None], other=0.0)
        log = tl.load(log_sum_exp + head * tokens + other, mask=exists, other=0.0)
        delta = tl.load(deltas + head * tokens + other, mask=exists, other=0.0)
        visible = (at[:, None] <= other[None, :]) & (at[:, None] >= start[None, :]) & exists[None, :]
        scores = tl.where(visible, tl.dot(keys, tl.trans(queries)) * (scale * _LOG2_E), -float("inf"))
        shares = tl.exp2(scores - log[None, :])
        value_sum = tl.dot(shares.to(gradients.dtype), gradients, value_sum)
        slopes = shares * (tl.dot(values, tl.trans(gradients)) - delta[None, :])
        key_sum = tl.dot(slopes.to(queries.dtype), queries, key_sum)
    contiguous = token * (HEADS // HEADS_PER_KEY) * WIDTH + shared
    tl.store(key_gradient + contiguous, (key_sum * scale).to(key_gradient.dtype.element_ty), mask=inside)
    tl.store(value_gradient + contiguous, value_sum.to(value_gradient.dtype.element_ty), mask=inside)


def packed_attention_triton(
    query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, position_ids: torch.Tensor, *, scale: float
) -> tuple[torch.Tensor, torch.Tensor]:
    """Do what `packed_attention` does, in one pass over memory.

    Args:
        query: As there; bfloat16 or float16, the last two dimensions contiguous, the head width a power of two from 16.
        key: As there, like `query`.
        value: As there, like `query`.
        position_ids: As there.
        scale: As there.

    Returns:
        As there; the attended values are contiguous.
    """
    tokens, heads, width = query.shape
    out = query.new_empty(tokens, heads, width)
    log_sum_exp = query.new_empty(heads, tokens, dtype=torch.float32)
    options = _list_options(query, key, value, FORWARD_TILE)
    _attend[(triton.cdiv(tokens, options["QUERIES"]), heads)](
        query, key, value, out, log_sum_exp, position_ids, scale * LOG2_E, tokens, **options
    )
    return out, log_sum_exp


def packed_attention_backward_triton(
    gradient: torch.Tensor,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    position_ids: torch.Tensor,
    out: torch.Tensor,
    log_sum_exp: torch.Tensor,
    *,
    scale: float,
    max_seqlen: int,
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Do what `packed_attention_backward` does, in two passes over memory: for queries, then for keys and values.

    Args:
        gradient: As there, contiguous.
        query: As given to `packed_attention_triton`.
        key: The same.
        value: The same.
        position_ids: The same.
        out: What that returned first.
        log_sum_exp: What it returned second.
        scale: As given to it.
        max_seqlen: Tokens of the longest sample, or more.

    Returns:
        As there, contiguous.
    """
    tokens, heads, _ = query.shape
    query_gradient = torch.empty_like(out)
    key_gradient, value_gradient = (key.new_empty(key.shape) for _ in range(2))
    deltas = torch.empty_like(log_sum_exp)
    inputs = query, key, value
    options = _list_options(*inputs, QUERY_GRADIENT_TILE)
    _differentiate_queries[(triton.cdiv(tokens, options["QUERIES"]), heads)](
        *inputs, out, gradient, log_sum_exp, deltas, query_gradient, position_ids, scale, tokens, **options
    )
    options = _list_options(*inputs, KEY_GRADIENT_TILE)
    reach = triton.next_power_of_2(triton.cdiv(max_seqlen, options["QUERIES"]))
    options["REACH"] = max(_LEAST_REACH, reach)
    _differentiate_keys[(triton.cdiv(tokens, options["KEYS"]), key.shape[1])](
        *inputs, gradient, log_sum_exp, deltas, key_gradient, value_gradient, position_ids, scale, tokens, **options
    )
    return query_gradient, key_gradient, value_gradient


def _list_options(
    query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, tile: tuple[int, int, int, int]
) -> dict[str, Any]:
    heads, width = query.shape[1:]
    names = ("query_stride", "key_stride", "value_stride", "HEADS", "HEADS_PER_KEY", "WIDTH")
    values = (query.stride(0), key.stride(0), value.stride(0), heads, heads // key.shape[1], width)
    tiling = zip(("QUERIES", "KEYS", "num_warps", "num_stages"), tile, strict=True)
    return dict(zip(names, values, strict=True)) | dict(tiling)
