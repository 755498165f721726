"""The gradient is right: a packed update teaches what its samples teach one by one."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from models import invent_samples, load_causal_lm, make_base

from training.data.tokens import flatten
from training.fast.attention import choose_attention, measure_leakage
from training.loop import loss as loss_module
from training.loop.loss import backward_pack, score_pack
from training.loop.trainer import set_checkpointing
from training.model.causal_lm import CausalLM
from training.model.device import Device
from training.model.packed_sequence import pack

LENGTHS = [23, 7, 40, 12, 31]
CPU = Device(type="cpu", name="test", free_bytes=2**30, bfloat16=False)


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_base(tmp_path_factory.mktemp("base") / "mistral")


def collect(lm: CausalLM, rows: list[list[int]], *, pad_to: int | None = None) -> tuple[float, torch.Tensor]:
    """Return the loss and all gradients of some rows of the same samples."""
    tokens = flatten(invent_samples(LENGTHS))
    lm.model.zero_grad()
    total = sum(
        float(backward_pack(lm, pack(tokens, np.array(row), pad_to=pad_to, longest=40), scale=lambda loss: loss / 100))
        for row in rows
    )
    gradients = [
        value.grad.flatten() for value in lm.model.parameters() if value.requires_grad and value.grad is not None
    ]
    return total, torch.cat(gradients)


def differ(one: torch.Tensor, other: torch.Tensor) -> float:
    return float((one - other).norm() / other.norm())


@pytest.mark.parametrize("quantised", [False, True])
@pytest.mark.parametrize("attention", ["segments", "sdpa"])
def test_packed_loss_and_gradients_are_the_sum_over_samples(base: Path, attention: str, quantised: bool) -> None:
    lm = load_causal_lm(base, attention=attention, quantised=quantised)
    apart_loss, apart = collect(load_causal_lm(base, attention="sdpa", quantised=quantised), [[i] for i in range(5)])
    packed_loss, packed = collect(lm, [[3, 0, 4], [2, 1]])
    assert packed_loss == pytest.approx(apart_loss, rel=1e-5)
    assert differ(packed, apart) < 1e-5


def test_gradients_of_4_bit_layers_survive_an_evaluation(base: Path) -> None:
    lm = load_causal_lm(base, quantised=True)
    _, fresh = collect(lm, [[0, 1, 2, 3, 4]])
    score_pack(lm, pack(flatten(invent_samples(LENGTHS)), np.arange(5)))
    lm.model.train()
    _, later = collect(lm, [[0, 1, 2, 3, 4]])
    assert differ(later, fresh) < 1e-6


def test_4_bit_gradients_are_those_of_the_values_that_4_bit_holds(base: Path) -> None:
    packed_loss, packed = collect(load_causal_lm(base, quantised=True), [[0, 1, 2, 3, 4]])
    plain_loss, plain = collect(load_causal_lm(base, quantised=True, dequantised=True), [[0, 1, 2, 3, 4]])
    assert packed_loss == pytest.approx(plain_loss, rel=1e-4)
    assert differ(packed, plain) < 1e-3


def test_padding_changes_neither_loss_nor_gradients(base: Path) -> None:
    lm = load_causal_lm(base)
    plain_loss, plain = collect(lm, [[0, 1, 2, 3, 4]])
    padded_loss, padded = collect(lm, [[0, 1, 2, 3, 4]], pad_to=160)
    assert padded_loss == pytest.approx(plain_loss, rel=1e-5)
    assert differ(padded, plain) < 1e-5


def test_recomputing_activations_changes_nothing(base: Path) -> None:
    lm = load_causal_lm(base)
    lm.model.train()
    _, plain = collect(lm, [[0, 1, 2, 3, 4]])
    set_checkpointing(lm)
    _, recomputed = collect(lm, [[0, 1, 2, 3, 4]])
    assert differ(recomputed, plain) < 1e-6


def test_the_loss_is_that_of_the_whole_model_whatever_the_chunks(base: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lm = load_causal_lm(base)
    whole_loss, whole = collect(lm, [[0, 1, 2, 3, 4]])
    monkeypatch.setattr(loss_module, "LOGITS_CHUNK", 7)
    chunked_loss, chunked = collect(lm, [[0, 1, 2, 3, 4]])
    assert chunked_loss == pytest.approx(whole_loss, rel=1e-5)
    assert differ(chunked, whole) < 1e-5

    tokens = flatten(invent_samples([40]))
    row = pack(tokens, np.array([0]))
    logits = lm.model(input_ids=row.ids).logits[0]
    expected = torch.nn.functional.cross_entropy(logits[row.loss_positions], row.targets, reduction="none")
    assert torch.allclose(score_pack(lm, row), expected, atol=1e-5)


def test_a_model_with_more_than_a_head_is_asked_for_its_logits(base: Path) -> None:
    lm = load_causal_lm(base)
    plain_loss, plain = collect(lm, [[0, 1, 2, 3, 4]])
    headless = CausalLM(model=lm.model, body=lm.body, head=None, dtype=lm.dtype, device=lm.device)
    asked_loss, asked = collect(headless, [[0, 1, 2, 3, 4]])
    assert asked_loss == pytest.approx(plain_loss, rel=1e-5)
    assert differ(asked, plain) < 1e-5


def test_the_check_sees_samples_that_mix(base: Path) -> None:
    lm = load_causal_lm(base, attention="segments")
    apart = measure_leakage(lm)
    lm.model.set_attn_implementation("eager")
    lm.model.config.is_causal = False  # nothing that eager attention reads; the mask is what keeps samples apart
    assert apart == pytest.approx((0, 0), abs=1e-5)
    mixing = CausalLM(model=lm.model, body=_Mixing(lm.body), head=lm.head, dtype=lm.dtype, device=lm.device)
    error, leak = measure_leakage(mixing)
    assert min(error, leak) > 1e-2


class _Mixing(torch.nn.Module):
    """Leaves positions and cu_seqlens out, as models do that know nothing of packing."""

    def __init__(self, body: torch.nn.Module) -> None:
        super().__init__()
        self.body = body

    def forward(self, input_ids: torch.Tensor, **_: object) -> object:
        return self.body(input_ids=input_ids, use_cache=False)


def test_a_model_that_mixes_whatever_is_done_gets_rows_of_one_sample(base: Path) -> None:
    lm = load_causal_lm(base)
    mixing = CausalLM(model=lm.model, body=_Mixing(lm.body), head=lm.head, dtype=lm.dtype, device=lm.device)
    path, line = choose_attention(mixing, CPU, max_tokens=64)
    assert path == "alone"
    assert "segments: mixes samples" in line


def test_a_window_shorter_than_a_sample_is_left_to_the_masks_of_transformers(base: Path) -> None:
    lm = load_causal_lm(base)
    lm.model.config.sliding_window = 16
    path, line = choose_attention(lm, CPU, max_tokens=64)
    assert path == "sdpa"
    assert "not segments: the model's window is shorter than a sample" in line


def test_the_quickest_right_way_is_chosen(base: Path) -> None:
    path, line = choose_attention(load_causal_lm(base), CPU, max_tokens=64)
    assert path == "segments"
    assert line.startswith("attention: segments, samples kept apart (checked, relative error ")
