"""Linear layers with an adapter as plain weights: peft's results, and the gradients that autograd finds."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from models import load_causal_lm, measure_error

from training.fast.lora_linear import LoraGroup, LoraLinear


def get_attention(base: Path, *, quantised: bool = False, dropout: float = 0.0) -> Any:
    return load_causal_lm(base, quantised=quantised, dropout=dropout).model.model.layers[0].self_attn


def read_group(attention: Any) -> LoraGroup:
    layers = [LoraLinear.read(module) for module in (attention.q_proj, attention.k_proj, attention.v_proj)]
    return LoraGroup([layer for layer in layers if layer is not None])


@pytest.mark.parametrize("quantised", [False, True])
def test_merged_weights_do_what_peft_does(mistral: Path, quantised: bool) -> None:
    attention = get_attention(mistral, quantised=quantised)
    inputs = torch.randn(5, 64)
    merged = read_group(attention).merge(inputs)
    expected = torch.cat([module(inputs) for module in (attention.q_proj, attention.k_proj, attention.v_proj)], dim=1)
    assert merged.shape == (64 + 32 + 32, 64)
    assert measure_error(inputs @ merged.t(), expected) < 1e-5


@pytest.mark.parametrize("known", [False, True], ids=["computed", "given"])
def test_the_adapter_gets_the_gradients_that_autograd_finds(mistral: Path, known: bool) -> None:
    attention = get_attention(mistral)
    group, inputs = read_group(attention), torch.randn(5, 64)
    out = torch.cat([module(inputs) for module in (attention.q_proj, attention.k_proj, attention.v_proj)], dim=1)
    upstream = torch.randn(out.shape)
    expected = torch.autograd.grad(out, group.parameters, upstream)
    products: dict[str, torch.Tensor] = {}
    if known:
        parts = zip(torch.split(upstream, [64, 32, 32], dim=1), group.scale_lora_b(inputs), strict=True)
        products["gradient_lora_b"] = torch.cat([part @ lora_b for part, lora_b in parts], dim=1)
        products["inputs_lora_a"] = inputs @ group.scale_lora_a(inputs).t()
    gradients = group.differentiate(inputs, upstream, **products)
    assert len(gradients) == 6
    for gradient, exact in zip(gradients, expected, strict=True):
        assert measure_error(gradient, exact) < 1e-5


def test_merged_weights_wait_for_the_backward_pass_once_where_they_are_kept(mistral: Path) -> None:
    group, like = read_group(get_attention(mistral)), torch.empty(0)
    merged = group.merge(like)
    assert group.take_merged(like) is not merged
    group.keep_merged = True
    merged = group.merge(like)
    assert group.take_merged(like) is merged
    again = group.take_merged(like)
    assert again is not merged
    assert torch.equal(again, merged)


def test_weights_are_merged_in_the_format_that_is_asked_for(mistral: Path) -> None:
    group = read_group(get_attention(mistral))
    merged = group.merge(torch.empty(0, dtype=torch.bfloat16))
    assert merged.dtype is torch.bfloat16
    assert measure_error(merged, group.merge(torch.empty(0))) < 1e-2


def test_a_layer_that_does_more_than_add_a_product_is_not_read(mistral: Path) -> None:
    assert LoraLinear.read(get_attention(mistral, dropout=0.1).q_proj) is None
    assert LoraLinear.read(torch.nn.Linear(4, 4)) is None
    attention = get_attention(mistral)
    attention.q_proj.merge()
    assert LoraLinear.read(attention.q_proj) is None
    assert LoraLinear.read(attention.k_proj) is not None
    attention.k_proj.get_base_layer().bias = torch.nn.Parameter(torch.zeros(32))
    assert LoraLinear.read(attention.k_proj) is None
