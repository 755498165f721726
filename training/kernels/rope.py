"""Rotary position embedding, on queries, keys and values as one product of weights puts them out, side by side.

    y1 = x1 cos - x2 sin, y2 = x2 cos + x1 sin, for the halves x1, x2 of a query or key head
    dx1 = dy1 cos + dy2 sin, dx2 = dy2 cos - dy1 sin

Values pass unchanged. Splitting and rotating take one pass over memory together; compiled, they take two.

Source: Su et al., "RoFormer", 2021, section 3.2; halves instead of neighbours as in `apply_rotary_pos_emb` of
transformers.
"""

# ruff: noqa: N803 - constants of a kernel are capitals, as Triton writes them

from __future__ import annotations

import torch

from training.kernels.optional_triton import jit, tl, triton


def apply_rope(
    qkv: torch.Tensor, cos: torch.Tensor, sin: torch.Tensor, *, heads: int, kv_heads: int
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Split queries, keys and values, and rotate the first two by their positions: the reference.

    Args:
        qkv: Shape (tokens, (heads + 2 kv_heads) head width).
        cos: Shape (tokens, head width), both halves alike.
        sin: Like `cos`.
        heads: Query heads.
        kv_heads: Heads of keys, and of values.

    Returns:
        Queries, keys and values, contiguous; shapes (tokens, heads or kv_heads, head width).
    """
    width = cos.shape[-1]
    whole = qkv.view(qkv.shape[0], heads + 2 * kv_heads, width)
    rotated = _rotate(whole[:, : heads + kv_heads], cos, sin)
    return rotated[:, :heads].contiguous(), rotated[:, heads:].contiguous(), whole[:, heads + kv_heads :].contiguous()


def apply_rope_backward(
    query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, cos: torch.Tensor, sin: torch.Tensor
) -> torch.Tensor:
    """Return the gradient of `qkv` from those of what `apply_rope` returned: the reference.

    Args:
        query: Gradient of the queries; shape (tokens, heads, head width).
        key: Gradient of the keys; shape (tokens, kv_heads, head width).
        value: Gradient of the values; like `key`.
        cos: As given to `apply_rope`.
        sin: The same.

    Returns:
        Shape (tokens, (heads + 2 kv_heads) head width).
    """
    parts = (_rotate(query, cos, -sin), _rotate(key, cos, -sin), value)
    return torch.cat([part.reshape(part.shape[0], -1) for part in parts], dim=1)


def _rotate(states: torch.Tensor, cos: torch.Tensor, sin: torch.Tensor) -> torch.Tensor:
    half = cos.shape[-1] // 2
    left, right = states[..., :half].float(), states[..., half:].float()
    cos, sin = cos[:, None, :half].float(), sin[:, None, :half].float()
    return torch.cat((left * cos - right * sin, right * cos + left * sin), dim=-1).to(states.dtype)


@jit
def _apply_rope(  # type: ignore[no-untyped-def]  # Triton compiles it
    qkv,
    query,
    key,
    value,
    cos,
    sin,
    HEADS: tl.constexpr,
    KV_HEADS: tl.constexpr,
    PADDED: tl.constexpr,
    HALF: tl.constexpr,
    PADDED_HALF: tl.constexpr,
    BACKWARD: tl.constexpr,
):
    token = tl.program_id(0).to(tl.int64)
    head = tl.arange(0, PADDED)[:, None]
    at = tl.arange(0, PADDED_HALF)[None, :]
    inside = at < HALF
    cosine = tl.load(cos + token * 2 * HALF + at, mask=inside).to(tl.float32)
    sine = tl.load(sin + token * 2 * HALF + at, mask=inside).to(tl.float32)
    is_rotated = head < HEADS + KV_HEADS
    cosine = tl.where(is_rotated, cosine, 1.0)
    sine = tl.where(is_rotated, sine, 0.0)
    together = qkv + (token * (HEADS + 2 * KV_HEADS) + head) * 2 * HALF + at
    queries = query + (token * HEADS + head) * 2 * HALF + at
    keys = key + (token * KV_HEADS + head - HEADS) * 2 * HALF + at
    values = value + (token * KV_HEADS + head - HEADS - KV_HEADS) * 2 * HALF + at
    is_query = inside & (head < HEADS)
    is_key = inside & (head >= HEADS) & is_rotated
    is_value = inside & (head >= HEADS + KV_HEADS) & (head < HEADS + 2 * KV_HEADS)
    if BACKWARD:
        left = tl.load(queries, mask=is_query, other=0.0).to(tl.float32)
        left += tl.load(keys, mask=is_key, other=0.0).to(tl.float32)
        left += tl.load(values, mask=is_value, other=0.0).to(tl.float32)
        right = tl.load(queries + HALF, mask=is_query, other=0.0).to(tl.float32)
        right += tl.load(keys + HALF, mask=is_key, other=0.0).to(tl.float32)
        right += tl.load(values + HALF, mask=is_value, other=0.0).to(tl.float32)
        sine = -sine
    else:
        left = tl.load(together, mask=inside & (head < HEADS + 2 * KV_HEADS), other=0.0).to(tl.float32)
        right = tl.load(together + HALF, mask=inside & (head < HEADS + 2 * KV_HEADS), other=0.0).to(tl.float32)
    first = (left * cosine - right * sine).to(qkv.dtype.element_ty)
    second = (right * cosine + left * sine).to(qkv.dtype.element_ty)
    if BACKWARD:
        tl.store(together, first, mask=inside & (head < HEADS + 2 * KV_HEADS))
        tl.store(together + HALF, second, mask=inside & (head < HEADS + 2 * KV_HEADS))
    else:
        tl.store(queries, first, mask=is_query)
        tl.store(queries + HALF, second, mask=is_query)
        tl.store(keys, first, mask=is_key)
        tl.store(keys + HALF, second, mask=is_key)
        tl.store(values, first, mask=is_value)
        tl.store(values + HALF, second, mask=is_value)


def apply_rope_triton(
    qkv: torch.Tensor, cos: torch.Tensor, sin: torch.Tensor, *, heads: int, kv_heads: int
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Do what `apply_rope` does; arguments and results as there."""
    width = cos.shape[1]
    query, key, value = (qkv.new_empty(len(qkv), count, width) for count in (heads, kv_heads, kv_heads))
    _launch(qkv, (query, key, value), cos, sin, backward=False)
    return query, key, value


def apply_rope_backward_triton(
    query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, cos: torch.Tensor, sin: torch.Tensor
) -> torch.Tensor:
    """Do what `apply_rope_backward` does; arguments and result as there."""
    query, key, value = (part.contiguous() for part in (query, key, value))
    qkv = query.new_empty(len(query), (query.shape[1] + 2 * key.shape[1]) * query.shape[2])
    _launch(qkv, (query, key, value), cos, sin, backward=True)
    return qkv


def _launch(
    qkv: torch.Tensor,
    parts: tuple[torch.Tensor, torch.Tensor, torch.Tensor],
    cos: torch.Tensor,
    sin: torch.Tensor,
    *,
    backward: bool,
) -> None:
    query, key, _ = parts
    heads, kv_heads, half = query.shape[1], key.shape[1], query.shape[2] // 2
    _apply_rope[(len(qkv),)](
        qkv,
        *parts,
        cos.contiguous(),
        sin.contiguous(),
        HEADS=heads,
        KV_HEADS=kv_heads,
        PADDED=triton.next_power_of_2(heads + 2 * kv_heads),
        HALF=half,
        PADDED_HALF=triton.next_power_of_2(half),
        BACKWARD=backward,
        num_warps=4,
    )
