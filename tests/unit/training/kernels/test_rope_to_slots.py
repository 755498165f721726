"""Rotations that go to a cache: the reference against `apply_rope`."""

from __future__ import annotations

import torch

from training.kernels.rope import apply_rope
from training.kernels.rope_to_slots import rope_to_slots

HEADS, KV_HEADS, WIDTH, CAPACITY, SLOTS = 4, 2, 8, 10, 3


def test_keys_and_values_go_to_their_slots_and_padding_nowhere() -> None:
    generator = torch.Generator().manual_seed(0)
    qkv = torch.randn(3, (HEADS + 2 * KV_HEADS) * WIDTH, generator=generator)
    cos, sin = torch.rand(CAPACITY, WIDTH, generator=generator), torch.rand(CAPACITY, WIDTH, generator=generator)
    slots, positions = torch.tensor([2, -1, 0], dtype=torch.int32), torch.tensor([7, 0, 1], dtype=torch.int32)
    keys, values = torch.zeros(SLOTS, KV_HEADS, CAPACITY, WIDTH), torch.zeros(SLOTS, KV_HEADS, CAPACITY, WIDTH)
    query = rope_to_slots(qkv, cos, sin, slots, positions, keys, values)
    at = positions.long()
    exact_query, key, value = apply_rope(qkv, cos[at], sin[at], heads=HEADS, kv_heads=KV_HEADS)
    assert torch.equal(query, exact_query)
    for cache, states in ((keys, key), (values, value)):
        assert torch.equal(cache[2, :, 7], states[0])
        assert torch.equal(cache[0, :, 1], states[2])
        assert int(cache.any(-1).sum()) == 2 * KV_HEADS
