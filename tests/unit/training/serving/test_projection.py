"""Joined layers: the same products as the layers alone, whose weights become views."""

from __future__ import annotations

from typing import Any

import bitsandbytes
import pytest
import torch

from training.kernels.rms_norm import rms_norm
from training.serving.projection import (
    LoraShare,
    Nf4Projection,
    PlainProjection,
    Preparation,
    can_join,
    make_projection,
)

COLUMNS, WIDTHS = 256, (128, 64)
LIKE = torch.empty(0)


def make_layers(*, quantised: bool) -> list[Any]:
    generator = torch.Generator().manual_seed(0)
    layers: list[Any] = []
    for width in WIDTHS:
        weight = torch.randn(width, COLUMNS, generator=generator) * 0.05
        if quantised:
            layer: Any = bitsandbytes.nn.Linear4bit(
                COLUMNS, width, bias=False, compute_dtype=torch.float32, quant_type="nf4", compress_statistics=True
            )
            layer.weight = bitsandbytes.nn.Params4bit(weight, requires_grad=False, quant_type="nf4", module=layer)
            layer = layer.to("cpu")
        else:
            layer = torch.nn.Linear(COLUMNS, width, bias=False)
            layer.weight.data = weight
        layers.append(layer.requires_grad_(False))
    return layers


def draw_shares() -> list[LoraShare | None]:
    generator = torch.Generator().manual_seed(1)
    lora_a, lora_b = torch.randn(5, COLUMNS, generator=generator), torch.randn(WIDTHS[1], 5, generator=generator)
    return [None, LoraShare(lora_a=torch.nn.Parameter(lora_a), lora_b=torch.nn.Parameter(lora_b), scale=0.5)]


@pytest.mark.parametrize("roomy", [True, False])
@pytest.mark.parametrize("quantised", [True, False])
@torch.no_grad()
def test_products_are_those_of_the_layers(quantised: bool, roomy: bool) -> None:
    layers = make_layers(quantised=quantised)
    states, weight = torch.randn(3, COLUMNS), torch.rand(COLUMNS)
    normed = rms_norm(states, weight, eps=1e-5)
    exact = torch.cat([layer(normed) for layer in layers], dim=1)
    kind: Any = Nf4Projection if quantised else PlainProjection
    projection = kind(layers, rank=8, like=LIKE, **({"roomy": roomy} if quantised else {}))
    preparation = Preparation(kind="norm", weight=weight, eps=1e-5)
    assert torch.allclose(projection.run(states, preparation), exact, atol=5e-3)
    shares = draw_shares()
    projection.lora.write(shares)
    share = shares[1]
    assert share is not None
    exact[:, WIDTHS[0] :] += share.scale * normed @ share.lora_a.t() @ share.lora_b.t()
    residual = torch.randn(3, sum(WIDTHS))
    found = projection.run(states, preparation, residual) - residual
    assert float((found - exact).norm() / exact.norm()) < 2e-3
    assert torch.allclose(torch.cat([layer(normed) for layer in layers], dim=1)[:, 0], exact[:, 0], atol=5e-3)


def test_an_adapter_takes_memory_once() -> None:
    projection = PlainProjection(make_layers(quantised=False), rank=8, like=LIKE)
    shares = draw_shares()
    projection.lora.write(shares)
    share = shares[1]
    assert share is not None
    assert share.lora_a.data_ptr() == projection.lora.lora_a[8:].data_ptr()
    assert share.lora_b.data_ptr() == projection.lora.lora_b[WIDTHS[0] :].data_ptr()


def test_a_cpu_runs_layers_as_they_are() -> None:
    for quantised in (True, False):
        layers = make_layers(quantised=quantised)
        assert not can_join(layers, rank=16)
        assert isinstance(make_projection(layers, rank=16, like=LIKE, roomy=True), PlainProjection)


def test_gate_and_up_are_joined_to_one() -> None:
    states = torch.randn(2, 2 * COLUMNS)
    gate, up = states.chunk(2, dim=1)
    assert torch.allclose(Preparation(kind="swiglu").apply(states), torch.nn.functional.silu(gate) * up)
