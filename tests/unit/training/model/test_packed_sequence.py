"""Packed sequences: which positions predict which tokens, and padding that is not trained on."""

from __future__ import annotations

import numpy as np
import pytest

from training.data.tokens import Encoded, Tokens, flatten
from training.model.packed_sequence import PackedSequence, pack, round_up


@pytest.fixture
def tokens() -> Tokens:
    return flatten([Encoded([5, 6, 7], [0, 1, 1]), Encoded([8, 9], [0, 1])])


def test_the_sequence_that_is_drawn_is_the_one_that_is_packed() -> None:
    samples = [Encoded([10, 11, 12, 13], [0, 0, 1, 1]), Encoded([20, 21], [0, 1]), Encoded([30, 31, 32], [0, 1, 1])]
    packed = pack(flatten(samples), np.arange(3), pad_to=12)
    assert packed.ids.tolist() == [[10, 11, 12, 13, 20, 21, 30, 31, 32, 0, 0, 0]]
    assert packed.position_ids.tolist() == [[0, 1, 2, 3, 0, 1, 0, 1, 2, 0, 1, 2]]
    assert packed.cu_seqlens.tolist() == [0, 4, 6, 9, 12]
    assert packed.loss_positions.tolist() == [1, 2, 4, 6, 7]
    assert packed.targets.tolist() == [12, 13, 21, 31, 32]
    assert (packed.max_seqlen, packed.useful_tokens) == (4, 9)


def test_samples_lie_in_the_order_that_they_are_given_in(tokens: Tokens) -> None:
    packed = pack(tokens, np.array([1, 0]))
    assert packed.ids.tolist() == [[8, 9, 5, 6, 7]]
    assert packed.position_ids.tolist() == [[0, 1, 0, 1, 2]]
    assert packed.cu_seqlens.tolist() == [0, 2, 5]
    assert (packed.loss_positions.tolist(), packed.targets.tolist()) == ([0, 2, 3], [9, 6, 7])
    assert (packed.max_seqlen, packed.useful_tokens) == (3, 5)


def test_padding_keeps_every_shape_and_adds_no_target(tokens: Tokens) -> None:
    packs = [pack(tokens, np.array(samples), pad_to=64, max_seqlen=16) for samples in ([0], [1, 0])]
    shapes = {(packed.ids.shape, packed.position_ids.shape, packed.cu_seqlens.shape) for packed in packs}
    assert shapes == {((1, 64), (1, 64), (9,))}
    assert {packed.max_seqlen for packed in packs} == {16}
    assert [packed.targets.tolist() for packed in packs] == [[6, 7], [9, 6, 7]]
    assert all(int(packed.cu_seqlens[-1]) == 64 and int(packed.position_ids.max()) < 16 for packed in packs)
    assert [packed.useful_tokens for packed in packs] == [3, 5]


@pytest.mark.parametrize(("length", "grain", "expected"), [(1, 64, 64), (64, 64, 64), (65, 64, 128), (9, 8, 16)])
def test_lengths_are_rounded_up_to_a_grain(length: int, grain: int, expected: int) -> None:
    assert round_up(length, grain) == expected


def test_on_a_cpu_nothing_is_moved(tokens: Tokens) -> None:
    packed: PackedSequence = pack(tokens, np.array([0]))
    assert packed.to("cpu") is packed
