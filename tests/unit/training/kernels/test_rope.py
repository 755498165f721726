"""The reference of rotary positions: what transformers computes, and the gradient that autograd finds."""

from __future__ import annotations

import torch
from models import measure_error

from training.kernels.rope import apply_rope, apply_rope_backward

TOKENS, HEADS, KV_HEADS, WIDTH = 6, 4, 2, 8


def make_inputs() -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    qkv = torch.randn(TOKENS, (HEADS + 2 * KV_HEADS) * WIDTH, generator=generator, requires_grad=True)
    angles = (torch.arange(TOKENS)[:, None] / torch.arange(1, WIDTH // 2 + 1)).repeat(1, 2)
    return qkv, angles.cos(), angles.sin()


def test_queries_and_keys_are_rotated_as_transformers_does_and_values_are_not() -> None:
    from transformers.models.mistral.modeling_mistral import apply_rotary_pos_emb

    qkv, cos, sin = make_inputs()
    whole = qkv.view(TOKENS, -1, WIDTH)
    query, key, value = torch.split(whole, [HEADS, KV_HEADS, KV_HEADS], dim=1)
    batch = (part.transpose(0, 1)[None] for part in (query, key))
    expected = [part[0].transpose(0, 1) for part in apply_rotary_pos_emb(*batch, cos[None], sin[None])]
    results = apply_rope(qkv, cos, sin, heads=HEADS, kv_heads=KV_HEADS)
    assert [tuple(part.shape) for part in results] == [(TOKENS, count, WIDTH) for count in (HEADS, KV_HEADS, KV_HEADS)]
    assert all(part.is_contiguous() for part in results)
    assert measure_error(results[0], expected[0]) < 1e-6
    assert measure_error(results[1], expected[1]) < 1e-6
    assert torch.equal(results[2], value)


def test_the_gradient_is_that_of_autograd() -> None:
    qkv, cos, sin = make_inputs()
    results = apply_rope(qkv, cos, sin, heads=HEADS, kv_heads=KV_HEADS)
    generator = torch.Generator().manual_seed(1)
    query, key, value = (torch.randn(part.shape, generator=generator) for part in results)
    (expected,) = torch.autograd.grad(results, qkv, (query, key, value))
    assert measure_error(apply_rope_backward(query, key, value, cos, sin), expected) < 1e-6
