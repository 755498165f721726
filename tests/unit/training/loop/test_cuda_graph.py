"""Sequences for CUDA graphs: few shapes, and the gradients of the samples alone. Graphs themselves: `tests/gpu`."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from models import LENGTHS, collect_gradients, invent_samples, load_causal_lm, measure_error, run_packs

from training.data.tokens import flatten
from training.loop.cuda_graph import pack_for_graph
from training.loop.loss import backward_pack
from training.model.packed_sequence import IGNORED


def test_sequences_of_many_lengths_have_few_shapes() -> None:
    lengths = np.random.default_rng(0).integers(8, 100, 400)
    tokens = flatten(invent_samples(lengths.tolist()))
    packs = [pack_for_graph(tokens, np.arange(at, at + 12), max_seqlen=100) for at in range(0, 388, 3)]
    shapes = {(packed.ids.shape[1], len(packed.cu_seqlens), len(packed.targets)) for packed in packs}
    assert all(packed.ids.shape[1] % 64 == 0 and int(packed.cu_seqlens[-1]) == packed.ids.shape[1] for packed in packs)
    assert {packed.max_seqlen for packed in packs} == {100}
    assert len(shapes) < len(packs) / 5


def test_targets_are_padded_with_what_the_loss_ignores() -> None:
    tokens = flatten(invent_samples(LENGTHS))
    packed = pack_for_graph(tokens, np.arange(5), max_seqlen=40)
    supervised = int(tokens.supervised.sum())
    assert (packed.ids.shape[1], packed.useful_tokens) == (128, sum(LENGTHS))
    assert len(packed.targets) == len(packed.loss_positions) == 128
    assert (packed.targets[supervised:] == IGNORED).all()
    assert (packed.targets[:supervised] != IGNORED).all()


def test_a_padded_sequence_trains_as_its_samples_do(mistral: Path) -> None:
    lm = load_causal_lm(mistral)
    expected_loss, expected = run_packs(lm, [[0, 1, 2, 3, 4]])
    lm.model.zero_grad()
    packed = pack_for_graph(flatten(invent_samples(LENGTHS)), np.arange(5), max_seqlen=40)
    loss = float(backward_pack(lm, packed, scale=lambda loss: loss * 0.01))
    assert loss == pytest.approx(expected_loss, rel=1e-5)
    assert measure_error(collect_gradients(lm), expected) < 1e-5
