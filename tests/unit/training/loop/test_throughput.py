"""Speed is measured before training, and training is the same as without."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from models import invent_samples, load_causal_lm

from training.config import make_config
from training.data.tokens import flatten
from training.events import Stepped
from training.loop.batches import plan_batches
from training.loop.layout import Layout
from training.loop.throughput import measure_throughput
from training.loop.trainer import Trainer
from training.progress import RecordedProgress

LENGTHS = [23, 7, 40, 12, 31, 18, 26, 35, 9, 14]


def make_trainer(base: Path, *, max_pack_tokens: int = 80, optimizer: str = "adamw", dtype: str = "float32") -> Trainer:
    lm = load_causal_lm(base, dtype=dtype, attention="sdpa")
    values: dict[str, Any] = {"batch_tokens": 80, "learning_rate": 0.01, "warmup_steps": 2, "epochs": 2}
    config = make_config("default", {**values, "optimizer": optimizer})
    tokens = flatten(invent_samples(LENGTHS))
    return Trainer(
        lm=lm,
        tokens=tokens,
        batches=plan_batches(config, tokens)[0],
        config=config,
        layout=Layout(max_pack_tokens=max_pack_tokens),
        progress=RecordedProgress(),
    )


def read_losses(trainer: Trainer) -> list[float]:
    assert isinstance(trainer.progress, RecordedProgress)
    return [event.loss for event in trainer.progress.of(Stepped)]


@pytest.mark.parametrize("optimizer", ["adamw", "paged_adamw_8bit"])
@pytest.mark.parametrize("dtype", ["float32", "float16"])
def test_measuring_the_speed_changes_nothing(mistral: Path, optimizer: str, dtype: str) -> None:
    plain, measured = (make_trainer(mistral, optimizer=optimizer, dtype=dtype) for _ in range(2))
    before = [value.clone() for value in measured.parameters]
    speed = measure_throughput(measured)
    assert speed is not None and speed > 0
    assert all(torch.equal(one, other) for one, other in zip(before, measured.parameters, strict=True))
    plain.run()
    measured.run()
    assert read_losses(measured) == read_losses(plain)
    assert all(torch.equal(one, other) for one, other in zip(measured.parameters, plain.parameters, strict=True))


def test_updates_of_several_passes_are_timed_with_their_last_one(mistral: Path) -> None:
    trainer, lengths = make_trainer(mistral, max_pack_tokens=40), []
    trainer.lm.body.register_forward_pre_hook(
        lambda module, args, inputs: lengths.append(inputs["input_ids"].shape[1]), with_kwargs=True
    )
    assert measure_throughput(trainer)
    passes = {sum(LENGTHS[index] for index in part) for batch in trainer.batches for part in trainer.split(batch)}
    assert set(lengths) <= passes
    assert len(set(lengths)) > 1


def test_running_out_of_memory_gives_no_speed(mistral: Path) -> None:
    trainer = make_trainer(mistral)

    def fail(*_: Any) -> None:
        raise torch.OutOfMemoryError("injected")

    trainer.lm.body.register_forward_pre_hook(fail)
    assert measure_throughput(trainer) is None
