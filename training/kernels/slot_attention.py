"""Attention of new tokens over the caches of their chats, which have different lengths.

    s_j = scale q·k_j, for the keys j of the query's slot up to its own position
    o = sum_j p_j v_j, p = softmax(s)

One new token has little to do but to read a long cache, so several programs read a part of it each, for all query heads
that share a key, and a second kernel joins what they found. Many new tokens of one chat share a tile of 64 instead,
and read the cache once for all of them.

Source: Dao, "FlashAttention-2", 2023, algorithm 1; Dao et al., "Flash-Decoding", 2023.
"""

# ruff: noqa: N803 - constants of a kernel are capitals, as Triton writes them

from __future__ import annotations

import torch

from training.kernels.attention import LOG2_E
from training.kernels.optional_triton import jit, tl, triton

QUERY_TILE = 64
"""Tokens of one chat that share a tile where many are new."""
_KEYS, _WARPS = 64, 4
_LEAST = 16  # a matrix unit multiplies no fewer
_PROGRAMS = 128  # to split the caches into, at least: an H100 has 132 multiprocessors
_NONE = tl.constexpr(-1e30)  # stands for minus infinity, of which no difference can be made


def slot_attention(
    query: torch.Tensor,
    keys: torch.Tensor,
    values: torch.Tensor,
    slots: torch.Tensor,
    positions: torch.Tensor,
    *,
    scale: float,
) -> torch.Tensor:
    """Attend to the cache: the reference.

    Args:
        query: Shape (tokens, heads, head width).
        keys: The cache of a layer, the new tokens' keys in it; shape (slots, kv_heads, capacity, head width).
        values: Like `keys`.
        slots: Slot of each token, negative for padding; shape (tokens,), int32.
        positions: Position of each token in its slot; shape (tokens,), int32.
        scale: What products of queries and keys are multiplied by.

    Returns:
        Shape (tokens, heads * head width); padding gets zeros.
    """
    out = torch.zeros_like(query)
    groups = query.shape[1] // keys.shape[1]
    for slot in sorted(set(slots.tolist())):
        if slot < 0:
            continue
        own = (slots == slot).nonzero()[:, 0]
        length = int(positions[own].max()) + 1
        key, value = (states[slot, :, :length].float().repeat_interleave(groups, 0) for states in (keys, values))
        visible = torch.arange(length, device=query.device)[None] <= positions[own][:, None]
        scores = torch.einsum("thd,hkd->htk", query[own].float(), key) * scale
        shares = scores.masked_fill(~visible, -torch.inf).softmax(-1)
        out[own] = torch.einsum("htk,hkd->thd", shares, value).to(query.dtype)
    return out.flatten(1)


@jit
def _attend_part(  # type: ignore[no-untyped-def]  # Triton compiles it
    query,
    keys,
    values,
    slots,
    positions,
    parts,
    log_sums,
    scale,
    capacity,
    HEADS: tl.constexpr,
    KV_HEADS: tl.constexpr,
    WIDTH: tl.constexpr,
    SHARED: tl.constexpr,
    PADDED: tl.constexpr,
    KEYS: tl.constexpr,
    SPLITS: tl.constexpr,
    NONE: tl.constexpr,
):
    token, kv_head, split = tl.program_id(0).to(tl.int64), tl.program_id(1), tl.program_id(2)
    slot = tl.load(slots + token).to(tl.int64)
    length = tl.where(slot >= 0, tl.load(positions + token) + 1, 0)
    own = tl.cdiv(tl.cdiv(length, SPLITS), KEYS) * KEYS
    head = tl.arange(0, PADDED)
    column = tl.arange(0, WIDTH)
    at = (token * HEADS + kv_head * SHARED + head[:, None]) * WIDTH + column[None, :]
    queries = tl.load(query + at, mask=(head < SHARED)[:, None], other=0.0)
    start = (slot * KV_HEADS + kv_head) * capacity * WIDTH
    largest = tl.full((PADDED,), NONE, tl.float32)
    total = tl.zeros((PADDED,), tl.float32)
    summed = tl.zeros((PADDED, WIDTH), tl.float32)
    for begin in range(split * own, tl.minimum((split + 1) * own, length), KEYS):
        other = begin + tl.arange(0, KEYS)
        exists = other < length
        cache = start + other[:, None] * WIDTH + column[None, :]
        key = tl.load(keys + cache, mask=exists[:, None], other=0.0)
        value = tl.load(values + cache, mask=exists[:, None], other=0.0)
        scores = tl.where(exists[None, :], tl.dot(queries, tl.trans(key)) * scale, -float("inf"))
        higher = tl.maximum(largest, tl.max(scores, 1))
        shares = tl.exp2(scores - higher[:, None])
        shrunk = tl.exp2(largest - higher)
        total = total * shrunk + tl.sum(shares, 1)
        summed = tl.dot(shares.to(value.dtype), value, summed * shrunk[:, None])
        largest = higher
    whole = ((token * HEADS + kv_head * SHARED + head) * SPLITS + split).to(tl.int64)
    part = summed / tl.maximum(total, 1e-30)[:, None]
    tl.store(parts + whole[:, None] * WIDTH + column[None, :], part, mask=(head < SHARED)[:, None])
    tl.store(log_sums + whole, tl.where(total > 0, largest + tl.log2(total), NONE), mask=head < SHARED)


@jit
def _join_parts(  # type: ignore[no-untyped-def]  # Triton compiles it
    parts, log_sums, out, WIDTH: tl.constexpr, SPLITS: tl.constexpr
):
    at = tl.program_id(0).to(tl.int64)
    split = tl.arange(0, SPLITS)
    column = tl.arange(0, WIDTH)
    log = tl.load(log_sums + at * SPLITS + split)
    share = tl.exp2(log - tl.max(log, 0))
    part = tl.load(parts + (at * SPLITS + split[:, None]) * WIDTH + column[None, :])
    joined = tl.sum(part * share[:, None], 0) / tl.sum(share, 0)
    tl.store(out + at * WIDTH + column, joined.to(out.dtype.element_ty))


def slot_attention_triton(
    query: torch.Tensor,
    keys: torch.Tensor,
    values: torch.Tensor,
    slots: torch.Tensor,
    positions: torch.Tensor,
    *,
    scale: float,
    splits: int | None = None,
) -> torch.Tensor:
    """Do what `slot_attention` does, each token for itself; arguments and result as there, all contiguous.

    Args:
        query: As there; a head is a power of two wide, from 16.
        keys: As there.
        values: As there.
        slots: As there.
        positions: As there.
        scale: As there.
        splits: Parts of a cache, a power of two; None cuts it so that the whole GPU reads.
    """
    tokens, heads, width = query.shape
    kv_heads = keys.shape[1]
    splits = splits or min(16, max(1, triton.next_power_of_2(triton.cdiv(_PROGRAMS, tokens * kv_heads))))
    parts = torch.empty(tokens, heads, splits, width, dtype=torch.float32, device=query.device)
    log_sums = torch.empty(tokens, heads, splits, dtype=torch.float32, device=query.device)
    _attend_part[(tokens, kv_heads, splits)](
        query,
        keys,
        values,
        slots,
        positions,
        parts,
        log_sums,
        scale * LOG2_E,
        keys.shape[2],
        HEADS=heads,
        KV_HEADS=kv_heads,
        WIDTH=width,
        SHARED=heads // kv_heads,
        PADDED=max(_LEAST, triton.next_power_of_2(heads // kv_heads)),
        KEYS=_KEYS,
        SPLITS=splits,
        NONE=_NONE,
        num_warps=_WARPS,
    )
    out = torch.empty(tokens, heads * width, dtype=query.dtype, device=query.device)
    _join_parts[(tokens * heads,)](parts, log_sums, out, WIDTH=width, SPLITS=splits, num_warps=1)
    return out


@jit
def _attend_tile(  # type: ignore[no-untyped-def]  # Triton compiles it
    query,
    keys,
    values,
    slots,
    positions,
    tiles,
    out,
    scale,
    capacity,
    HEADS: tl.constexpr,
    KV_HEADS: tl.constexpr,
    WIDTH: tl.constexpr,
    QUERIES: tl.constexpr,
    KEYS: tl.constexpr,
    NONE: tl.constexpr,
):
    first, count = tl.load(tiles + 2 * tl.program_id(0)), tl.load(tiles + 2 * tl.program_id(0) + 1)
    head = tl.program_id(1)
    token = tl.arange(0, QUERIES)
    inside = token < count
    column = tl.arange(0, WIDTH)
    slot = tl.load(slots + first).to(tl.int64)
    position = tl.load(positions + first) + token
    at = ((first + token)[:, None].to(tl.int64) * HEADS + head) * WIDTH + column[None, :]
    queries = tl.load(query + at, mask=inside[:, None], other=0.0)
    start = (slot * KV_HEADS + head // (HEADS // KV_HEADS)) * capacity * WIDTH
    length = tl.load(positions + first) + count
    largest = tl.full((QUERIES,), NONE, tl.float32)
    total = tl.zeros((QUERIES,), tl.float32)
    summed = tl.zeros((QUERIES, WIDTH), tl.float32)
    for begin in range(0, length, KEYS):
        other = begin + tl.arange(0, KEYS)
        cache = start + other[:, None] * WIDTH + column[None, :]
        key = tl.load(keys + cache, mask=(other < length)[:, None], other=0.0)
        value = tl.load(values + cache, mask=(other < length)[:, None], other=0.0)
        visible = other[None, :] <= position[:, None]
        scores = tl.where(visible, tl.dot(queries, tl.trans(key)) * scale, -float("inf"))
        higher = tl.maximum(largest, tl.max(scores, 1))
        shares = tl.exp2(scores - higher[:, None])
        shrunk = tl.exp2(largest - higher)
        total = total * shrunk + tl.sum(shares, 1)
        summed = tl.dot(shares.to(value.dtype), value, summed * shrunk[:, None])
        largest = higher
    tl.store(out + at, (summed / total[:, None]).to(out.dtype.element_ty), mask=inside[:, None])


def slot_attention_tiles_triton(
    query: torch.Tensor,
    keys: torch.Tensor,
    values: torch.Tensor,
    slots: torch.Tensor,
    positions: torch.Tensor,
    tiles: torch.Tensor,
    *,
    scale: float,
) -> torch.Tensor:
    """Do what `slot_attention` does where many tokens of a chat are new; arguments and result as there.

    Args:
        query: As there.
        keys: As there.
        values: As there.
        slots: As there; padding stands in no tile.
        positions: As there; a chat's tokens stand side by side, in order.
        tiles: First token and number of tokens of each tile, all of one chat; shape (tiles, 2), int32.
        scale: As there.
    """
    tokens, heads, width = query.shape
    out = torch.zeros(tokens, heads * width, dtype=query.dtype, device=query.device)
    _attend_tile[(len(tiles), heads)](
        query,
        keys,
        values,
        slots,
        positions,
        tiles,
        out,
        scale * LOG2_E,
        keys.shape[2],
        HEADS=heads,
        KV_HEADS=keys.shape[1],
        WIDTH=width,
        QUERIES=QUERY_TILE,
        KEYS=_KEYS,
        NONE=_NONE,
        num_warps=_WARPS,
    )
    return out


def list_tiles(lengths: list[int]) -> list[tuple[int, int]]:
    """Cut the new tokens of several chats into tiles.

    Args:
        lengths: New tokens of each chat, side by side in this order.

    Returns:
        First token and number of tokens of each tile.
    """
    tiles, start = [], 0
    for length in lengths:
        tiles += [(start + at, min(QUERY_TILE, length - at)) for at in range(0, length, QUERY_TILE)]
        start += length
    return tiles
