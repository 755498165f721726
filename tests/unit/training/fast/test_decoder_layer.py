"""Fused decoder layers compute what the layers of transformers and peft do."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from models import load_causal_lm, measure_error, run_packs

from training.fast.decoder_layer import FusedDecoderLayer
from training.fast.fuse import fuse_layers, list_fused

PACKS = [[3, 0, 4], [2, 1]]
ALONE = [[index] for index in range(5)]


@pytest.mark.parametrize("recompute", [False, True])
@pytest.mark.parametrize("quantised", [False, True])
@pytest.mark.parametrize("attention", ["per_sample", "sdpa"])
def test_fused_packed_gradients_are_the_sum_over_samples(
    mistral: Path, attention: str, quantised: bool, recompute: bool
) -> None:
    expected_loss, expected = run_packs(load_causal_lm(mistral, quantised=quantised, attention="sdpa"), ALONE)
    lm = load_causal_lm(mistral, quantised=quantised, attention=attention)
    assert fuse_layers(lm)[0]
    lm.model.train()
    for layer in list_fused(lm):
        layer.recompute, layer.keep = recompute, not recompute
    loss, gradients = run_packs(lm, PACKS)
    assert loss == pytest.approx(expected_loss, rel=1e-5)
    assert measure_error(gradients, expected) < 1e-5


def test_float16_trains_in_fused_layers_through_masks(mistral: Path) -> None:
    lm = load_causal_lm(mistral, dtype="float16", attention="sdpa")
    _, expected = run_packs(lm, PACKS)
    assert fuse_layers(lm)[0]
    _, gradients = run_packs(lm, PACKS)
    assert measure_error(gradients, expected) < 1e-2


def test_a_batch_of_several_sequences_is_left_to_the_layer_of_transformers(mistral: Path) -> None:
    lm = load_causal_lm(mistral, attention="sdpa")
    ids = torch.arange(3, 33).view(2, 15)
    expected = lm.model(input_ids=ids, use_cache=False).logits
    assert fuse_layers(lm)[0]
    assert torch.equal(lm.model(input_ids=ids, use_cache=False).logits, expected)


def test_generating_with_a_cache_is_left_to_the_layer_of_transformers(mistral: Path) -> None:
    lm = load_causal_lm(mistral, attention="sdpa")
    lm.model.eval()
    options = {"max_new_tokens": 6, "do_sample": False, "pad_token_id": 0}
    prompt = torch.arange(3, 18)[None]
    expected = lm.model.generate(prompt, attention_mask=torch.ones_like(prompt), **options)
    assert fuse_layers(lm)[0]
    assert torch.equal(lm.model.generate(prompt, attention_mask=torch.ones_like(prompt), **options), expected)


def test_a_removed_layer_runs_as_before(mistral: Path) -> None:
    lm = load_causal_lm(mistral)
    forwards = [layer.forward for layer in lm.model.model.layers]
    assert fuse_layers(lm)[0]
    assert [layer.forward for layer in lm.model.model.layers] != forwards
    for layer in list_fused(lm):
        layer.remove()
    assert [layer.forward for layer in lm.model.model.layers] == forwards
    assert list_fused(lm) == []


def read(lm: Any) -> FusedDecoderLayer | None:
    return FusedDecoderLayer.read(lm.model.model.layers[0], lm.model.config)


def test_a_layer_with_other_parts_is_not_read(mistral: Path) -> None:
    assert read(load_causal_lm(mistral)) is not None
    lm = load_causal_lm(mistral)
    lm.model.model.layers[0].extra = torch.nn.Identity()
    assert read(lm) is None
    lm = load_causal_lm(mistral)
    lm.model.config.hidden_act = "gelu"
    assert read(lm) is None
    assert read(load_causal_lm(mistral, dropout=0.1)) is None
