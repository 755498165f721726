"""Pretraining of the embedded base: the model, its loss and its packed file, on a model of a few thousand weights."""

from __future__ import annotations

import argparse
import math
from itertools import islice
from typing import Any

import pytest
import torch
from models import make_tokenizer

from tools.tiny.pretrain import (
    add_dropout,
    build_model,
    compute_loss,
    iterate_batches,
    load_packed,
    measure_loss,
    pack_model,
    pretrain,
)

ARGS = argparse.Namespace(
    hidden=64, intermediate=64, layers=1, kv_heads=1, optimizer="adamw", matrix_rate=1e-2, table_rate=1e-2, decay=0.0,
    table_decay=0.0, teacher=[], batch_sequences=2, steps=8, max_seconds=1e9, evaluations=2, blend=0.5, smoothing=0.0,
    average=0.5,
)  # fmt: skip
IDS = torch.tensor([[1, 10, 11, 12, 13], [1, 20, 21, 22, 23], [1, 30, 31, 32, 33]])


@pytest.fixture
def tokenizer() -> Any:
    made = make_tokenizer()
    made.pad_token = "<unk>"
    made.model_max_length = 128
    return made


@pytest.fixture
def model(tokenizer: Any) -> Any:
    torch.manual_seed(0)
    return build_model(ARGS, tokenizer)


def test_batches_hold_every_sequence_once_per_pass_and_never_end() -> None:
    passes = [IDS[:2].to(torch.int16), IDS[1:].to(torch.int16)]
    batches = list(islice(iterate_batches(passes, 2, torch.device("cpu")), 3))
    assert [sorted(batch[:, 1].tolist()) for batch in batches] == [[10, 20], [20, 30], [10, 20]]
    assert batches[0].dtype is torch.int64


def test_without_teachers_the_loss_is_that_of_the_next_token(model: Any) -> None:
    loss = compute_loss(model.eval(), IDS, [], blend=0.7, smoothing=0.0)
    assert loss.item() == pytest.approx(model(input_ids=IDS, labels=IDS).loss.item(), rel=1e-4)


def test_a_teacher_takes_its_share_of_the_loss(model: Any) -> None:
    model.eval()
    plain, imitated, half = (
        compute_loss(model, IDS, [model], blend=blend, smoothing=0.0).item() for blend in (0.0, 1.0, 0.5)
    )
    assert half == pytest.approx((plain + imitated) / 2, rel=1e-5)
    assert plain != pytest.approx(imitated, rel=1e-3)


def test_dropout_acts_in_training_only(model: Any) -> None:
    add_dropout(model, 0.5)
    with torch.no_grad():
        assert torch.equal(model.eval()(input_ids=IDS).logits, model(input_ids=IDS).logits)
        assert not torch.equal(model.train()(input_ids=IDS).logits, model(input_ids=IDS).logits)


def test_a_packed_model_is_loaded_within_the_rounding_of_int8(model: Any, tokenizer: Any) -> None:
    packed = pack_model(model)
    torch.manual_seed(1)
    other = build_model(ARGS, tokenizer)
    load_packed(other, packed)
    for first, second in zip(model.parameters(), other.parameters(), strict=True):
        assert torch.allclose(first, second, atol=first.abs().max().item() / 127)


def test_held_out_loss_of_an_untrained_model_is_that_of_chance(model: Any, tokenizer: Any) -> None:
    held_out = measure_loss(model, tokenizer, {"en": [("hi", "hello")], "ru": [("да", "нет")]})
    assert held_out.nats_per_token == pytest.approx(math.log(len(tokenizer)), rel=0.1)
    assert set(held_out.bits_per_char_by_language) == {"en", "ru"}
    characters = {"en": 7, "ru": 5}
    total = sum(held_out.bits_per_char_by_language[language] * count for language, count in characters.items())
    assert held_out.bits_per_char == pytest.approx(total / 12)


def test_training_pauses_for_each_evaluation_and_lowers_the_loss(model: Any) -> None:
    before = compute_loss(model, IDS, [], blend=0.0, smoothing=0.0).item()
    steps = [step for step, _ in pretrain(model, [IDS.to(torch.int16)], ARGS)]
    assert steps == [4, 8]
    assert compute_loss(model, IDS, [], blend=0.0, smoothing=0.0).item() < before - 0.1
