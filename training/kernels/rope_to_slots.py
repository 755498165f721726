"""Rotary position embedding of a few tokens, with keys and values put where their chats' caches are.

    y1 = x1 cos - x2 sin, y2 = x2 cos + x1 sin, for the halves x1, x2 of a query or key head

Each token belongs to a slot and stands at a position in it. Queries are returned; keys and values go to that place of
the cache. A token whose slot is negative is padding and goes nowhere.

Source: Su et al., "RoFormer", 2021, section 3.2; halves as in `training.kernels.rope`.
"""

# ruff: noqa: N803 - constants of a kernel are capitals, as Triton writes them

from __future__ import annotations

import torch

from training.kernels.optional_triton import jit, tl, triton
from training.kernels.rope import apply_rope


def rope_to_slots(
    qkv: torch.Tensor,
    cos: torch.Tensor,
    sin: torch.Tensor,
    slots: torch.Tensor,
    positions: torch.Tensor,
    keys: torch.Tensor,
    values: torch.Tensor,
) -> torch.Tensor:
    """Rotate queries and keys, and write keys and values to the cache: the reference.

    Args:
        qkv: Queries, keys and values side by side; shape (tokens, (heads + 2 kv_heads) head width).
        cos: Of every position; shape (capacity, head width), both halves alike.
        sin: Like `cos`.
        slots: Slot of each token, negative for padding; shape (tokens,), int32.
        positions: Position of each token in its slot; shape (tokens,), int32.
        keys: The cache of a layer; shape (slots, kv_heads, capacity, head width); written.
        values: Like `keys`; written.

    Returns:
        Queries; shape (tokens, heads, head width). Those of padding may be anything.
    """
    width, kv_heads = cos.shape[1], keys.shape[1]
    heads = qkv.shape[1] // width - 2 * kv_heads
    at = positions.long()
    query, key, value = apply_rope(qkv, cos[at], sin[at], heads=heads, kv_heads=kv_heads)
    real = slots >= 0
    where = slots.long()[real], slice(None), at[real]
    keys[where], values[where] = key[real].to(keys.dtype), value[real].to(values.dtype)
    return query


@jit
def _rope_to_slots(  # type: ignore[no-untyped-def]  # Triton compiles it
    qkv,
    cos,
    sin,
    slots,
    positions,
    keys,
    values,
    query,
    capacity,
    HEADS: tl.constexpr,
    KV_HEADS: tl.constexpr,
    HALF: tl.constexpr,
    PADDED: tl.constexpr,
):
    token = tl.program_id(0).to(tl.int64)
    head = tl.program_id(1)
    at = tl.arange(0, PADDED)
    slot, position = tl.load(slots + token).to(tl.int64), tl.load(positions + token)
    inside = (at < HALF) & (slot >= 0)
    source = qkv + (token * (HEADS + 2 * KV_HEADS) + head) * 2 * HALF + at
    left = tl.load(source, mask=inside, other=0.0)
    right = tl.load(source + HALF, mask=inside, other=0.0)
    if head < HEADS + KV_HEADS:
        cosine = tl.load(cos + position * 2 * HALF + at, mask=inside, other=0.0).to(tl.float32)
        sine = tl.load(sin + position * 2 * HALF + at, mask=inside, other=0.0).to(tl.float32)
        first = (left.to(tl.float32) * cosine - right.to(tl.float32) * sine).to(left.dtype)
        second = (right.to(tl.float32) * cosine + left.to(tl.float32) * sine).to(left.dtype)
        if head < HEADS:
            target = query + (token * HEADS + head) * 2 * HALF + at
        else:
            target = keys + ((slot * KV_HEADS + head - HEADS) * capacity + position) * 2 * HALF + at
        tl.store(target, first, mask=inside)
        tl.store(target + HALF, second, mask=inside)
    else:
        target = values + ((slot * KV_HEADS + head - HEADS - KV_HEADS) * capacity + position) * 2 * HALF + at
        tl.store(target, left, mask=inside)
        tl.store(target + HALF, right, mask=inside)


def rope_to_slots_triton(
    qkv: torch.Tensor,
    cos: torch.Tensor,
    sin: torch.Tensor,
    slots: torch.Tensor,
    positions: torch.Tensor,
    keys: torch.Tensor,
    values: torch.Tensor,
) -> torch.Tensor:
    """Do what `rope_to_slots` does; arguments and result as there, all contiguous."""
    width, kv_heads = cos.shape[1], keys.shape[1]
    heads = qkv.shape[1] // width - 2 * kv_heads
    query = torch.empty(len(qkv), heads, width, dtype=qkv.dtype, device=qkv.device)
    _rope_to_slots[(len(qkv), heads + 2 * kv_heads)](
        qkv,
        cos,
        sin,
        slots,
        positions,
        keys,
        values,
        query,
        keys.shape[2],
        HEADS=heads,
        KV_HEADS=kv_heads,
        HALF=width // 2,
        PADDED=triton.next_power_of_2(width // 2),
        num_warps=1,
    )
    return query
