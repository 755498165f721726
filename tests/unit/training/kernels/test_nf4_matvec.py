"""Products with packed NF4 weights: the reference against bitsandbytes, and which matrices the kernel takes."""

from __future__ import annotations

from typing import Any

import bitsandbytes
import pytest
import torch

from training.kernels.matvec_input import matvec_input
from training.kernels.nf4_matvec import (
    TILES,
    Nf4Matrix,
    can_multiply,
    choose_tile,
    dequantise_nf4,
    nf4_matvec,
    widen_scales,
)

WIDTHS, COLUMNS, RANK = (256, 128), 256, 16


def make_layers(seed: int = 0) -> list[Any]:
    """Return layers of bitsandbytes in NF4, whose weights differ in size."""
    generator = torch.Generator().manual_seed(seed)
    layers = []
    for number, width in enumerate(WIDTHS):
        layer = bitsandbytes.nn.Linear4bit(
            COLUMNS, width, bias=False, compute_dtype=torch.float32, quant_type="nf4", compress_statistics=True
        )
        weight = torch.randn(width, COLUMNS, generator=generator) * 0.05 * (number + 1)
        layer.weight = bitsandbytes.nn.Params4bit(weight, requires_grad=False, quant_type="nf4", module=layer)
        layers.append(layer.to("cpu"))
    return layers


def join(layers: list[Any]) -> Nf4Matrix:
    states = [layer.weight.quant_state for layer in layers]
    return Nf4Matrix(
        packed=torch.cat([layer.weight.data.view(-1, COLUMNS // 2) for layer in layers]),
        scales=torch.cat([state.absmax.view(-1, COLUMNS // 64) for state in states]),
        levels=states[0].state2.code,
        coarse=torch.cat([state.state2.absmax for state in states]),
        offsets=torch.stack([state.offset for state in states]),
        widths=WIDTHS,
    )


def test_joined_weights_are_those_of_bitsandbytes() -> None:
    layers = make_layers()
    exact = [
        bitsandbytes.functional.dequantize_4bit(layer.weight.data, layer.weight.quant_state).float() for layer in layers
    ]
    assert torch.allclose(dequantise_nf4(join(layers)), torch.cat(exact), atol=1e-6)


def test_wide_scales_are_the_same_to_half_precision() -> None:
    matrix = join(make_layers())
    exact = dequantise_nf4(matrix)
    error = (dequantise_nf4(widen_scales(matrix)) - exact).norm() / exact.norm()
    assert 0 < error < 5e-4


def test_product_is_that_of_the_layers_with_adapter_and_residual() -> None:
    layers = make_layers()
    generator = torch.Generator().manual_seed(1)
    states, residual = torch.randn(3, COLUMNS, generator=generator), torch.randn(3, sum(WIDTHS), generator=generator)
    lora_a = torch.randn(2 * RANK, COLUMNS, generator=generator)
    lora_b = torch.randn(sum(WIDTHS), RANK, generator=generator)
    scales = torch.cat([torch.full((RANK,), 0.5), torch.full((RANK,), 2.0)])
    inputs = matvec_input(states, lora_a, scales, kind="plain")
    found = nf4_matvec(*inputs, join(layers), lora_b, residual, dtype=torch.float32)
    exact = torch.cat([layer(states) for layer in layers], dim=1) + residual
    exact[:, : WIDTHS[0]] += 0.5 * states @ lora_a[:RANK].t() @ lora_b[: WIDTHS[0]].t()
    exact[:, WIDTHS[0] :] += 2.0 * states @ lora_a[RANK:].t() @ lora_b[WIDTHS[0] :].t()
    assert float((found - exact).norm() / exact.norm()) < 1e-3


@pytest.mark.parametrize(
    ("columns", "widths", "taken"),
    [
        (4096, (4096, 1024, 1024), True),
        (384, (384, 128, 128), True),
        (4096, (1000,), False),  # no whole number of programs
        (96, (256,), False),  # a row is no whole number of blocks
        (64, (64,), False),  # fewer scales than share a coarse one
        (256, (256, 256, 256, 256), False),
    ],
)
def test_which_matrices_the_kernel_takes(columns: int, widths: tuple[int, ...], taken: bool) -> None:
    assert can_multiply(columns, widths) is taken


def test_there_is_a_tile_for_each_number_of_tokens() -> None:
    assert {choose_tile(tokens, rows)[0] for tokens in TILES for rows in (1024, 28672)} <= {16, 32, 64}
