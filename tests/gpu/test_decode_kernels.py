"""The kernels of decoding against their references, on the GPU.

Run with: pytest -m gpu -s tests/gpu. Each test then prints the relative errors that it found.
"""

from __future__ import annotations

from typing import Any

import bitsandbytes
import pytest
import torch

from training.kernels.matvec_input import matvec_input, matvec_input_triton
from training.kernels.merge_lora import merge_lora
from training.kernels.nf4_matvec import Nf4Matrix, dequantise_nf4, nf4_matvec, nf4_matvec_triton
from training.kernels.rope_to_slots import rope_to_slots, rope_to_slots_triton
from training.kernels.sample_tokens import sample_tokens, sample_tokens_triton
from training.kernels.slot_attention import (
    list_tiles,
    slot_attention,
    slot_attention_tiles_triton,
    slot_attention_triton,
)
from training.model.device import can_run_kernels

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not can_run_kernels(), reason="needs a GPU of compute capability 8 and Triton"),
]
SLOTS, CAPACITY, HEADS, KV_HEADS, WIDTH = 5, 320, 8, 2, 64
SHAPES = [((4096, 1024, 1024), 4096), ((4096,), 14336), ((512, 512), 256), ((384, 128, 128), 384)]


def draw(*shape: int, dtype: torch.dtype = torch.bfloat16) -> torch.Tensor:
    return torch.randn(shape, device="cuda").to(dtype)


def measure(found: torch.Tensor, exact: torch.Tensor) -> float:
    assert found.isfinite().all()
    return float((found.float() - exact.float()).norm() / exact.float().norm())


def quantise(widths: tuple[int, ...], columns: int) -> tuple[Nf4Matrix, torch.Tensor]:
    """Return joined weights, and what bitsandbytes makes of the same."""
    layers: list[Any] = []
    for number, width in enumerate(widths):
        weight = draw(width, columns, dtype=torch.float32) * 0.02 * (number + 1)
        layers.append(bitsandbytes.nn.Params4bit(weight, requires_grad=False, quant_type="nf4").cuda())
    states = [layer.quant_state for layer in layers]
    matrix = Nf4Matrix(
        packed=torch.cat([layer.data.view(-1, columns // 2) for layer in layers]),
        scales=torch.cat([state.absmax.view(-1, columns // 64) for state in states]),
        levels=states[0].state2.code,
        coarse=torch.cat([state.state2.absmax for state in states]),
        offsets=torch.stack([state.offset for state in states]),
        widths=widths,
    )
    nothing = torch.zeros(1, columns, device="cuda")
    exact = [
        merge_lora(layer, nothing, nothing.new_zeros(len(layer.data) * 2 // columns, 1), scale=0) for layer in layers
    ]
    return matrix, torch.cat(exact)


@pytest.mark.parametrize(("widths", "columns"), SHAPES)
def test_joined_weights_are_those_of_bitsandbytes(widths: tuple[int, ...], columns: int) -> None:
    matrix, exact = quantise(widths, columns)
    assert measure(dequantise_nf4(matrix), exact) < 3e-3  # which rounds to 16 bit


@pytest.mark.parametrize("tokens", [1, 2, 3, 4, 8, 11, 16, 17, 32, 64])
@pytest.mark.parametrize(("widths", "columns"), SHAPES)
def test_product_with_packed_weights(widths: tuple[int, ...], columns: int, tokens: int) -> None:
    matrix, _ = quantise(widths, columns)
    rank = 16
    lora_a, lora_b = draw(len(widths) * rank, columns) * 0.02, draw(sum(widths), rank) * 0.02
    scales = torch.rand(len(widths) * rank, device="cuda")
    inputs = matvec_input(draw(tokens, columns), lora_a, scales, kind="plain")
    for residual in (None, draw(tokens, sum(widths))):
        exact = nf4_matvec(*inputs, matrix, lora_b, residual, dtype=torch.float32)
        found = nf4_matvec_triton(*inputs, matrix, lora_b, residual, dtype=torch.float32)
        assert measure(found, exact) < 2e-3


@pytest.mark.parametrize("kind", ["plain", "norm", "swiglu"])
@pytest.mark.parametrize("columns", [384, 4096, 14336])
def test_input_of_a_product(kind: str, columns: int) -> None:
    states = draw(3, columns * (2 if kind == "swiglu" else 1)) * 20
    states[1] = 0
    lora_a, scales, weight = draw(32, columns), torch.rand(32, device="cuda"), draw(columns)
    options: Any = {"kind": kind, "weight": weight if kind == "norm" else None, "eps": 1e-5}
    for found, exact in zip(
        matvec_input_triton(states, lora_a, scales, **options),
        matvec_input(states, lora_a, scales, **options),
        strict=True,
    ):
        assert measure(found, exact) < 2e-3


def make_cache() -> tuple[torch.Tensor, torch.Tensor]:
    return draw(SLOTS, KV_HEADS, CAPACITY, WIDTH), draw(SLOTS, KV_HEADS, CAPACITY, WIDTH)


def list_integers(*values: int) -> torch.Tensor:
    return torch.tensor(values, dtype=torch.int32, device="cuda")


def test_keys_and_values_go_to_their_slots() -> None:
    keys, values = make_cache()
    expected_keys, expected_values = keys.clone(), values.clone()
    qkv, cos, sin = draw(4, (HEADS + 2 * KV_HEADS) * WIDTH), draw(CAPACITY, WIDTH), draw(CAPACITY, WIDTH)
    cos[:, WIDTH // 2 :], sin[:, WIDTH // 2 :] = cos[:, : WIDTH // 2], sin[:, : WIDTH // 2]
    places = cos, sin, list_integers(3, 0, -1, 4), list_integers(0, CAPACITY - 1, 5, 17)
    query = rope_to_slots_triton(qkv, *places, keys, values)
    exact = rope_to_slots(qkv, *places, expected_keys, expected_values)
    assert measure(query[[0, 1, 3]], exact[[0, 1, 3]]) < 5e-3
    assert measure(keys, expected_keys) < 5e-3
    assert torch.equal(values, expected_values)


@pytest.mark.parametrize("splits", [None, 1, 4, 16])
def test_attention_over_slots_of_different_lengths(splits: int | None) -> None:
    keys, values = make_cache()
    places = list_integers(3, 0, -1, 4, 1), list_integers(0, CAPACITY - 1, 7, 17, 200)
    query = draw(5, HEADS, WIDTH)
    exact = slot_attention(query, keys, values, *places, scale=0.1)
    found = slot_attention_triton(query, keys, values, *places, scale=0.1, splits=splits)
    real = [0, 1, 3, 4]
    assert measure(found[real], exact[real]) < 1e-2
    assert found.isfinite().all()


def test_attention_of_many_new_tokens() -> None:
    keys, values = make_cache()
    lengths, starts = [1, 70, 130], [9, 0, 60]
    slots = torch.cat([list_integers(*[slot] * length) for slot, length in zip((2, 0, 4), lengths, strict=True)])
    positions = torch.cat(
        [list_integers(*range(start, start + length)) for start, length in zip(starts, lengths, strict=True)]
    )
    query = draw(sum(lengths), HEADS, WIDTH)
    exact = slot_attention(query, keys, values, slots, positions, scale=0.1)
    tiles = torch.tensor(list_tiles(lengths), dtype=torch.int32, device="cuda")
    found = slot_attention_tiles_triton(query, keys, values, slots, positions, tiles, scale=0.1)
    assert measure(found, exact) < 1e-2


@pytest.mark.parametrize("vocabulary", [259, 4096, 32000, 32768, 40000])
def test_tokens_are_drawn_as_by_the_reference(vocabulary: int) -> None:
    rows = 64
    logits = draw(rows, vocabulary) * 3
    seen = torch.rand(3, vocabulary, device="cuda") < 0.1
    lines = torch.randint(0, 3, (rows,), device="cuda")
    options = {name: torch.rand(rows, device="cuda") for name in ("temperature", "top_p", "penalty", "uniform")}
    options["temperature"][:4] = 0
    options["top_p"][4:8] = 1
    options["penalty"] += 1
    found = sample_tokens_triton(logits, seen, lines, **options)
    exact = sample_tokens(logits, seen, lines, **options)
    assert (found == exact).float().mean() > 0.95  # sums in another order move the border between two tokens
    assert torch.equal(found[:4], exact[:4])
