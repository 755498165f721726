"""A model as training runs it: hidden states up to the loss, or its own logits where its head is more than a layer."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from models import invent_samples, load_causal_lm, measure_error, run_packs

from training.data.tokens import flatten
from training.model.causal_lm import make_causal_lm
from training.model.packed_sequence import IGNORED, pack


def test_the_head_follows_the_states_of_the_positions_that_predict(mistral: Path) -> None:
    lm = load_causal_lm(mistral, attention="sdpa")
    packed = pack(flatten(invent_samples([40])), np.array([0]))
    states = lm.forward(packed)
    assert lm.head is not None
    assert states.shape == (len(packed.targets), 64)
    expected = lm.model(input_ids=packed.ids).logits[0][packed.loss_positions]
    assert measure_error(lm.head(states), expected) < 1e-5


def test_a_model_with_more_than_a_head_is_asked_for_its_logits(mistral: Path) -> None:
    lm = load_causal_lm(mistral)
    packs = [[0, 1, 2, 3, 4]]
    expected_loss, expected = run_packs(lm, packs)
    loss, gradients = run_packs(replace(lm, head=None), packs)
    assert loss == pytest.approx(expected_loss, rel=1e-5)
    assert measure_error(gradients, expected) < 1e-5


def test_a_head_that_scales_its_logits_is_seen(mistral: Path) -> None:
    lm = load_causal_lm(mistral)
    assert make_causal_lm(lm.model, dtype=torch.float32, device="cpu").head is not None
    lm.model.register_forward_hook(lambda module, args, out: replace_logits(out))
    assert make_causal_lm(lm.model, dtype=torch.float32, device="cpu").head is None


def replace_logits(out: object) -> object:
    out.logits = out.logits * 2  # type: ignore[attr-defined]  # transformers has no types
    return out


def test_finding_the_parts_leaves_the_mode_as_it_was(mistral: Path) -> None:
    model = load_causal_lm(mistral).model
    for mode in (True, False):
        model.train(mode)
        make_causal_lm(model, dtype=torch.float32, device="cpu")
        assert model.training is mode


def test_the_loss_is_summed_or_given_for_each_token(mistral: Path) -> None:
    lm = load_causal_lm(mistral)
    states, targets = torch.randn(3, 64), torch.tensor([5, IGNORED, 7])
    losses = lm.compute_loss(states, targets, reduction="none")
    assert (losses.shape, float(losses[1].detach())) == ((3,), 0.0)
    assert torch.allclose(lm.compute_loss(states, targets), losses.sum())


def test_16_bit_models_compute_in_16_bit(mistral: Path) -> None:
    with load_causal_lm(mistral, dtype="bfloat16").autocast():
        assert torch.nn.functional.linear(torch.randn(2, 4), torch.randn(3, 4)).dtype is torch.bfloat16
    with load_causal_lm(mistral).autocast():
        assert torch.nn.functional.linear(torch.randn(2, 4), torch.randn(3, 4)).dtype is torch.float32
