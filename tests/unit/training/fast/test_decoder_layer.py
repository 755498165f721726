"""Fused layers compute what the layers as written do, and are left out where they can't."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from models import invent_samples, load_causal_lm, make_base

from training.data.tokens import flatten
from training.fast.decoder_layer import fuse_layers, list_fused
from training.kernels import pieces
from training.loop.loss import backward_pack
from training.model.causal_lm import CausalLM
from training.model.packed_sequence import pack

LENGTHS = [23, 7, 40, 12, 31]


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_base(tmp_path_factory.mktemp("base") / "mistral")


def collect(lm: CausalLM, rows: list[list[int]]) -> tuple[float, torch.Tensor]:
    """Return the loss and all gradients of some rows."""
    tokens = flatten(invent_samples(LENGTHS))
    lm.model.zero_grad()
    lm.model.train()
    made = [pack(tokens, np.array(row)) for row in rows]
    total = sum(float(backward_pack(lm, row, scale=lambda loss: loss / 100)) for row in made)
    return total, torch.cat([value.grad.flatten() for value in lm.model.parameters() if value.grad is not None])


def differ(one: torch.Tensor, other: torch.Tensor) -> float:
    return float((one - other).norm() / other.norm())


@pytest.mark.parametrize("recompute", [False, True])
@pytest.mark.parametrize("quantised", [False, True])
@pytest.mark.parametrize("attention", ["segments", "sdpa"])
def test_fused_packed_gradients_are_the_sum_over_samples(
    base: Path, attention: str, quantised: bool, recompute: bool
) -> None:
    apart_loss, apart = collect(load_causal_lm(base, quantised=quantised, attention="sdpa"), [[i] for i in range(5)])
    lm = load_causal_lm(base, quantised=quantised, attention=attention)
    fused, line = fuse_layers(lm)
    assert fused
    assert line.startswith("layers: fused, weights merged with the adapter at each use (checked, relative error ")
    for layer in list_fused(lm):
        layer.recompute, layer.keep = recompute, not recompute
    packed_loss, packed = collect(lm, [[3, 0, 4], [2, 1]])
    assert packed_loss == pytest.approx(apart_loss, rel=1e-5)
    assert differ(packed, apart) < 1e-5


def test_the_check_leaves_the_adapter_as_it_was(base: Path) -> None:
    lm = load_causal_lm(base)
    before = [value.detach().clone() for value in lm.model.parameters()]
    assert fuse_layers(lm)[0]
    assert all(torch.equal(one, other) for one, other in zip(before, lm.model.parameters(), strict=True))


def test_layers_that_compute_something_else_are_left_as_written(base: Path) -> None:
    lm = load_causal_lm(base)
    lm.model.model.layers[1].input_layernorm.register_forward_hook(lambda *args: args[-1] * 2)
    fused, line = fuse_layers(lm)
    assert not fused
    assert line.startswith("layers: not fused, because results differ (relative error ")
    assert list_fused(lm) == []


def test_an_adapter_with_dropout_is_left_as_written(base: Path) -> None:
    assert fuse_layers(load_causal_lm(base, dropout=0.1)) == (
        False,
        "layers: not fused, because this model or adapter has other parts than ours know",
    )


def test_float16_learns_in_fused_layers_through_masks(base: Path) -> None:
    written = load_causal_lm(base, dtype="float16", attention="sdpa")
    _, expected = collect(written, [[3, 0, 4], [2, 1]])
    assert fuse_layers(written)[0]
    _, found = collect(written, [[3, 0, 4], [2, 1]])
    assert differ(found, expected) < 1e-2


def test_pieces_have_the_derivatives_that_autograd_finds() -> None:
    generator = torch.Generator().manual_seed(0)
    states, upstream = (torch.randn(6, 8, generator=generator, requires_grad=True) for _ in range(2))
    weight = torch.rand(8, generator=generator)
    (expected,) = torch.autograd.grad(pieces.normalise(states, weight, 1e-5), states, upstream)
    assert torch.allclose(pieces.denormalise(upstream, states, weight, 1e-5, upstream), expected + upstream, atol=1e-5)

    half = torch.randn(6, 4, generator=generator)
    (expected,) = torch.autograd.grad(pieces.gate(states), states, half)
    gated, back = pieces.ungate(states, half)
    assert torch.allclose(gated, pieces.gate(states), atol=1e-6)
    assert torch.allclose(back, expected, atol=1e-5)

    angles = torch.randn(6, 1, generator=generator).repeat(1, 2)
    parts = pieces.turn(states, angles.cos(), angles.sin(), 2, 1)
    query, key, value = (torch.randn(part.shape, generator=generator) for part in parts)
    (expected,) = torch.autograd.grad(parts, states, (query, key, value))
    assert torch.allclose(pieces.turn_back(query, key, value, angles.cos(), angles.sin()), expected, atol=1e-5)

    targets = torch.tensor([1, 7, -1, 0, 3, -1])
    losses = torch.nn.functional.cross_entropy(states, targets, reduction="sum", ignore_index=-1)
    (expected,) = torch.autograd.grad(losses * 0.5, states)
    loss, back = pieces.grade(states, targets, torch.tensor(0.5))
    assert torch.allclose(loss, losses, atol=1e-5)
    assert torch.allclose(back, expected, atol=1e-6)
