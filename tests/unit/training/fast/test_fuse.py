"""Fusing a model's layers, or leaving them as they are, as the check on the loaded model says."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from models import load_causal_lm, measure_error, run_packs

from training.config import make_config
from training.fast.decoder_layer import FusedDecoderLayer
from training.fast.fuse import fuse_layers, list_fused, measure_difference, recompute_activations, will_fuse
from training.model.device import Device

ALL = [[0, 1, 2, 3, 4]]


def test_all_layers_are_fused_and_the_line_says_how_close_they_are(mistral: Path) -> None:
    lm = load_causal_lm(mistral)
    fused, line = fuse_layers(lm)
    assert fused
    assert line.startswith("layers: fused, weights merged with the adapter at each use (checked, relative error ")
    assert len(list_fused(lm)) == 2
    assert fuse_layers(lm) == (True, "layers: fused already")


def test_the_check_leaves_the_adapter_as_it_was(mistral: Path) -> None:
    lm = load_causal_lm(mistral)
    before = [value.detach().clone() for value in lm.model.parameters()]
    assert fuse_layers(lm)[0]
    assert all(torch.equal(one, other) for one, other in zip(before, lm.model.parameters(), strict=True))


def test_layers_that_compute_something_else_are_left_as_they_are(mistral: Path) -> None:
    lm = load_causal_lm(mistral)
    lm.model.model.layers[1].input_layernorm.register_forward_hook(lambda *args: args[-1] * 2)
    fused, line = fuse_layers(lm)
    assert not fused
    assert line.startswith("layers: not fused, because results differ (relative error ")
    assert list_fused(lm) == []


def test_an_adapter_with_dropout_is_left_as_it_is(mistral: Path) -> None:
    assert fuse_layers(load_causal_lm(mistral, dropout=0.1)) == (
        False,
        "layers: not fused, because this model or adapter has parts that the fused layer does not know",
    )


def test_the_difference_of_a_changed_layer_is_seen(mistral: Path) -> None:
    lm = load_causal_lm(mistral)
    layer = FusedDecoderLayer.read(lm.model.model.layers[0], lm.model.config)
    assert layer is not None
    assert measure_difference(lm, layer) < 1e-4
    layer.attention.o_proj.register_forward_hook(lambda *args: args[-1] * 1.5)
    assert measure_difference(lm, layer) > 1e-2


@pytest.mark.parametrize("changes", [{}, {"compile": False}, {"lora": {"dropout": 0.1}}])
def test_nothing_is_to_be_fused_on_a_cpu(changes: dict[str, object]) -> None:
    cpu = Device(type="cpu", name="test", free_bytes=2**30, bfloat16=False)
    assert not will_fuse(make_config("default", changes), cpu)


@pytest.mark.parametrize("fused", [False, True])
def test_recomputing_activations_changes_nothing(mistral: Path, fused: bool) -> None:
    lm = load_causal_lm(mistral)
    assert not fused or fuse_layers(lm)[0]
    lm.model.train()
    _, expected = run_packs(lm, ALL)
    recompute_activations(lm)
    assert [layer.recompute for layer in list_fused(lm)] == [True] * (2 if fused else 0)
    _, gradients = run_packs(lm, ALL)
    assert measure_error(gradients, expected) < 1e-6
