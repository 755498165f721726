"""The gradient is right: a packed update teaches what its samples teach one by one."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from models import invent_samples, load_reader, make_base

from training.data.tokens import flatten
from training.fast.attention import choose_attention, measure_mixing
from training.loop import loss as loss_module
from training.loop.loss import learn_row, score_row
from training.loop.trainer import set_checkpointing
from training.model.causal_lm import Reader
from training.model.device import Machine
from training.model.packed_sequence import make_row

LENGTHS = [23, 7, 40, 12, 31]
CPU = Machine(device="cpu", name="test", free_bytes=2**30, bfloat16=False)


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_base(tmp_path_factory.mktemp("base") / "mistral")


def collect(reader: Reader, rows: list[list[int]], *, pad_to: int | None = None) -> tuple[float, torch.Tensor]:
    """Return the loss and all gradients of some rows of the same samples."""
    tokens = flatten(invent_samples(LENGTHS))
    reader.model.zero_grad()
    total = sum(
        float(
            learn_row(reader, make_row(tokens, np.array(row), pad_to=pad_to, longest=40), scale=lambda loss: loss / 100)
        )
        for row in rows
    )
    gradients = [
        value.grad.flatten() for value in reader.model.parameters() if value.requires_grad and value.grad is not None
    ]
    return total, torch.cat(gradients)


def differ(one: torch.Tensor, other: torch.Tensor) -> float:
    return float((one - other).norm() / other.norm())


@pytest.mark.parametrize("quantised", [False, True])
@pytest.mark.parametrize("attention", ["segments", "sdpa"])
def test_packed_loss_and_gradients_are_the_sum_over_samples(base: Path, attention: str, quantised: bool) -> None:
    reader = load_reader(base, attention=attention, quantised=quantised)
    apart_loss, apart = collect(load_reader(base, attention="sdpa", quantised=quantised), [[i] for i in range(5)])
    packed_loss, packed = collect(reader, [[3, 0, 4], [2, 1]])
    assert packed_loss == pytest.approx(apart_loss, rel=1e-5)
    assert differ(packed, apart) < 1e-5


def test_gradients_of_4_bit_layers_survive_an_evaluation(base: Path) -> None:
    reader = load_reader(base, quantised=True)
    _, fresh = collect(reader, [[0, 1, 2, 3, 4]])
    score_row(reader, make_row(flatten(invent_samples(LENGTHS)), np.arange(5)))
    reader.model.train()
    _, later = collect(reader, [[0, 1, 2, 3, 4]])
    assert differ(later, fresh) < 1e-6


def test_4_bit_gradients_are_those_of_the_values_that_4_bit_holds(base: Path) -> None:
    packed_loss, packed = collect(load_reader(base, quantised=True), [[0, 1, 2, 3, 4]])
    plain_loss, plain = collect(load_reader(base, quantised=True, expanded=True), [[0, 1, 2, 3, 4]])
    assert packed_loss == pytest.approx(plain_loss, rel=1e-4)
    assert differ(packed, plain) < 1e-3


def test_padding_changes_neither_loss_nor_gradients(base: Path) -> None:
    reader = load_reader(base)
    plain_loss, plain = collect(reader, [[0, 1, 2, 3, 4]])
    padded_loss, padded = collect(reader, [[0, 1, 2, 3, 4]], pad_to=160)
    assert padded_loss == pytest.approx(plain_loss, rel=1e-5)
    assert differ(padded, plain) < 1e-5


def test_recomputing_activations_changes_nothing(base: Path) -> None:
    reader = load_reader(base)
    reader.model.train()
    _, plain = collect(reader, [[0, 1, 2, 3, 4]])
    set_checkpointing(reader)
    _, recomputed = collect(reader, [[0, 1, 2, 3, 4]])
    assert differ(recomputed, plain) < 1e-6


def test_the_loss_is_that_of_the_whole_model_whatever_the_chunks(base: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    reader = load_reader(base)
    whole_loss, whole = collect(reader, [[0, 1, 2, 3, 4]])
    monkeypatch.setattr(loss_module, "CHUNK", 7)
    chunked_loss, chunked = collect(reader, [[0, 1, 2, 3, 4]])
    assert chunked_loss == pytest.approx(whole_loss, rel=1e-5)
    assert differ(chunked, whole) < 1e-5

    tokens = flatten(invent_samples([40]))
    row = make_row(tokens, np.array([0]))
    logits = reader.model(input_ids=row.ids).logits[0]
    expected = torch.nn.functional.cross_entropy(logits[row.hidden_at], row.targets, reduction="none")
    assert torch.allclose(score_row(reader, row), expected, atol=1e-5)


def test_a_model_with_more_than_a_head_is_asked_for_its_logits(base: Path) -> None:
    reader = load_reader(base)
    plain_loss, plain = collect(reader, [[0, 1, 2, 3, 4]])
    headless = Reader(model=reader.model, body=reader.body, head=None, dtype=reader.dtype, device=reader.device)
    asked_loss, asked = collect(headless, [[0, 1, 2, 3, 4]])
    assert asked_loss == pytest.approx(plain_loss, rel=1e-5)
    assert differ(asked, plain) < 1e-5


def test_the_check_sees_samples_that_mix(base: Path) -> None:
    reader = load_reader(base, attention="segments")
    apart = measure_mixing(reader)
    reader.model.set_attn_implementation("eager")
    reader.model.config.is_causal = False  # nothing that eager attention reads; the mask is what keeps samples apart
    assert apart == pytest.approx((0, 0), abs=1e-5)
    mixing = Reader(
        model=reader.model, body=_Mixing(reader.body), head=reader.head, dtype=reader.dtype, device=reader.device
    )
    error, leak = measure_mixing(mixing)
    assert min(error, leak) > 1e-2


class _Mixing(torch.nn.Module):
    """Leaves positions and borders out, as models do that know nothing of packing."""

    def __init__(self, body: torch.nn.Module) -> None:
        super().__init__()
        self.body = body

    def forward(self, input_ids: torch.Tensor, **_: object) -> object:
        return self.body(input_ids=input_ids, use_cache=False)


def test_a_model_that_mixes_whatever_is_done_gets_rows_of_one_sample(base: Path) -> None:
    reader = load_reader(base)
    mixing = Reader(
        model=reader.model, body=_Mixing(reader.body), head=reader.head, dtype=reader.dtype, device=reader.device
    )
    path, line = choose_attention(mixing, CPU, max_tokens=64)
    assert path == "alone"
    assert "segments: mixes samples" in line


def test_a_window_shorter_than_a_sample_is_left_to_the_masks_of_transformers(base: Path) -> None:
    reader = load_reader(base)
    reader.model.config.sliding_window = 16
    path, line = choose_attention(reader, CPU, max_tokens=64)
    assert path == "sdpa"
    assert "not segments: the model's window is shorter than a sample" in line


def test_the_quickest_right_way_is_chosen(base: Path) -> None:
    path, line = choose_attention(load_reader(base), CPU, max_tokens=64)
    assert path == "segments"
    assert line.startswith("attention: segments, samples kept apart (checked, relative error ")
