"""Attention over slots: the reference against torch's, and how new tokens are cut into tiles."""

from __future__ import annotations

import torch
from torch.nn.functional import scaled_dot_product_attention

from training.kernels.slot_attention import QUERY_TILE, list_tiles, slot_attention

HEADS, KV_HEADS, WIDTH, CAPACITY, SLOTS = 4, 2, 8, 12, 3


def test_each_token_sees_its_own_slot_up_to_itself() -> None:
    generator = torch.Generator().manual_seed(0)
    keys = torch.randn(SLOTS, KV_HEADS, CAPACITY, WIDTH, generator=generator)
    values = torch.randn(SLOTS, KV_HEADS, CAPACITY, WIDTH, generator=generator)
    slots, positions = torch.tensor([1, 1, 2, -1], dtype=torch.int32), torch.tensor([4, 5, 0, 3], dtype=torch.int32)
    query = torch.randn(4, HEADS, WIDTH, generator=generator)
    found = slot_attention(query, keys, values, slots, positions, scale=0.3)
    for number, (slot, position) in enumerate([(1, 4), (1, 5), (2, 0)]):
        seen = slice(0, position + 1)
        exact = scaled_dot_product_attention(
            query[number][None, :, None],
            keys[slot, :, seen][None],
            values[slot, :, seen][None],
            scale=0.3,
            enable_gqa=True,
        )
        assert torch.allclose(found[number], exact.flatten(), atol=1e-5)
    assert not found[3].any()


def test_tiles_hold_tokens_of_one_chat() -> None:
    assert list_tiles([1, QUERY_TILE + 5]) == [(0, 1), (1, QUERY_TILE), (1 + QUERY_TILE, 5)]
