"""The gradient is right: a packed update trains as its samples do one by one."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from models import LENGTHS, invent_samples, load_causal_lm, measure_error, run_packs

from training.data.tokens import flatten
from training.loop import loss as loss_module
from training.loop.loss import compute_token_losses
from training.model.packed_sequence import pack

ALL = [[0, 1, 2, 3, 4]]


@pytest.mark.parametrize("quantised", [False, True])
@pytest.mark.parametrize("attention", ["per_sample", "sdpa"])
def test_packed_loss_and_gradients_are_the_sum_over_samples(mistral: Path, attention: str, quantised: bool) -> None:
    unpacked = load_causal_lm(mistral, attention="sdpa", quantised=quantised)
    expected_loss, expected = run_packs(unpacked, [[index] for index in range(5)])
    lm = load_causal_lm(mistral, attention=attention, quantised=quantised)
    loss, gradients = run_packs(lm, [[3, 0, 4], [2, 1]])
    assert loss == pytest.approx(expected_loss, rel=1e-5)
    assert measure_error(gradients, expected) < 1e-5


def test_gradients_of_4_bit_layers_survive_an_evaluation(mistral: Path) -> None:
    lm = load_causal_lm(mistral, quantised=True)
    _, before = run_packs(lm, ALL)
    lm.model.eval()
    compute_token_losses(lm, pack(flatten(invent_samples(LENGTHS)), np.arange(5)))
    lm.model.train()
    _, after = run_packs(lm, ALL)
    assert measure_error(after, before) < 1e-6


def test_4_bit_gradients_are_those_of_the_values_that_4_bit_holds(mistral: Path) -> None:
    loss, gradients = run_packs(load_causal_lm(mistral, quantised=True), ALL)
    expected_loss, expected = run_packs(load_causal_lm(mistral, quantised=True, dequantised=True), ALL)
    assert loss == pytest.approx(expected_loss, rel=1e-4)
    assert measure_error(gradients, expected) < 1e-3


def test_padding_changes_neither_loss_nor_gradients(mistral: Path) -> None:
    lm = load_causal_lm(mistral)
    expected_loss, expected = run_packs(lm, ALL)
    loss, gradients = run_packs(lm, ALL, pad_to=160)
    assert loss == pytest.approx(expected_loss, rel=1e-5)
    assert measure_error(gradients, expected) < 1e-5


def test_the_scale_applies_to_gradients_and_not_to_the_loss(mistral: Path) -> None:
    lm = load_causal_lm(mistral)
    expected_loss, expected = run_packs(lm, ALL, loss_scale=0.01)
    loss, gradients = run_packs(lm, ALL, loss_scale=0.03)
    assert loss == expected_loss
    assert measure_error(gradients, 3 * expected) < 1e-5


def test_the_loss_is_that_of_the_whole_model_whatever_the_chunks(
    mistral: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lm = load_causal_lm(mistral)
    expected_loss, expected = run_packs(lm, ALL)
    monkeypatch.setattr(loss_module, "LOGITS_CHUNK", 7)
    loss, gradients = run_packs(lm, ALL)
    assert loss == pytest.approx(expected_loss, rel=1e-5)
    assert measure_error(gradients, expected) < 1e-5

    packed = pack(flatten(invent_samples([40])), np.array([0]))
    logits = lm.model(input_ids=packed.ids).logits[0]
    losses = torch.nn.functional.cross_entropy(logits[packed.loss_positions], packed.targets, reduction="none")
    assert torch.allclose(compute_token_losses(lm, packed), losses, atol=1e-5)
