"""The training loop: the same curve after a stop, shorter forward passes when memory runs out."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from models import invent_samples, load_causal_lm

from training.config import TrainConfig, make_config
from training.data.tokens import flatten
from training.events import Note, Stepped
from training.loop.batches import plan_batches
from training.loop.checkpoint import Checkpoint
from training.loop.layout import Layout
from training.loop.trainer import Trainer
from training.model.causal_lm import CausalLM
from training.progress import RecordedProgress
from userbot.domain.errors import OutOfMemoryError, TrainingStoppedError

LENGTHS = [23, 7, 40, 12, 31, 18, 26, 35, 9, 14]


class Heard(RecordedProgress):
    """Progress that is remembered."""

    @property
    def losses(self) -> list[float]:
        return [event.loss for event in self.of(Stepped)]

    @property
    def notes(self) -> list[str]:
        return [event.text for event in self.of(Note)]


def configure(**values: Any) -> TrainConfig:
    return make_config(
        "default", {"batch_tokens": 80, "learning_rate": 0.01, "warmup_steps": 2, "epochs": 2, "save_every": 2}, values
    )


def make_trainer(
    lm: CausalLM,
    progress: Heard,
    *,
    config: TrainConfig | None = None,
    checkpoint: Path | None = None,
    max_pack_tokens: int = 80,
    should_stop: Callable[[], bool] = lambda: False,
) -> Trainer:
    config = config or configure()
    tokens = flatten(invent_samples(LENGTHS))
    batches, _ = plan_batches(config, tokens)
    return Trainer(
        lm=lm,
        tokens=tokens,
        batches=batches,
        config=config,
        layout=Layout(max_pack_tokens=max_pack_tokens),
        progress=progress,
        checkpoint=checkpoint,
        should_stop=should_stop,
    )


def stop_after(calls: int) -> Callable[[], bool]:
    left = iter(range(calls))
    return lambda: next(left, None) is None


def test_training_lowers_the_loss(mistral: Path) -> None:
    heard = Heard()
    make_trainer(load_causal_lm(mistral), heard, config=configure(epochs=8)).run()
    assert heard.losses[-1] < heard.losses[0] - 0.3


@pytest.mark.parametrize("optimizer", ["adamw", "paged_adamw_8bit"])
def test_a_resumed_run_has_the_same_curve(mistral: Path, tmp_path: Path, optimizer: str) -> None:
    config = configure(optimizer=optimizer)
    whole, first, rest = Heard(), Heard(), Heard()
    lm = load_causal_lm(mistral, dropout=0.2)
    make_trainer(lm, whole, config=config).run()
    expected = [value.clone() for value in lm.model.parameters() if value.requires_grad]

    file = tmp_path / "checkpoint.pt"
    with pytest.raises(
        TrainingStoppedError, match=r"^Training stopped after 3 of \d updates\. `clone train --resume` continues"
    ):
        make_trainer(
            load_causal_lm(mistral, dropout=0.2), first, config=config, checkpoint=file, should_stop=stop_after(3)
        ).run()
    lm = load_causal_lm(mistral, dropout=0.2)
    make_trainer(lm, rest, config=config, checkpoint=file).run(Checkpoint.load(file, "cpu"))
    assert first.losses + rest.losses == whole.losses
    assert len(first.losses) == 3
    found = [value for value in lm.model.parameters() if value.requires_grad]
    assert all(torch.equal(one, other) for one, other in zip(found, expected, strict=True))


def test_accumulating_short_passes_is_the_same_update(mistral: Path) -> None:
    one, many = Heard(), Heard()
    make_trainer(load_causal_lm(mistral), one, max_pack_tokens=80).run()
    make_trainer(load_causal_lm(mistral), many, max_pack_tokens=40).run()
    assert many.losses == pytest.approx(one.losses, rel=1e-4)


def fail_above(lm: CausalLM, tokens: int) -> None:
    """Let the memory of a device run out in forward passes of more than some tokens."""

    def check(module: torch.nn.Module, args: Any, inputs: dict[str, Any]) -> None:
        if inputs["input_ids"].shape[1] > tokens:
            raise torch.OutOfMemoryError("injected")

    lm.body.register_forward_pre_hook(check, with_kwargs=True)


def test_running_out_of_memory_halves_the_passes_and_keeps_the_updates(mistral: Path) -> None:
    plain, short = Heard(), Heard()
    make_trainer(load_causal_lm(mistral), plain).run()
    lm = load_causal_lm(mistral)
    fail_above(lm, 45)
    trainer = make_trainer(lm, short)
    trainer.run()
    assert short.losses == pytest.approx(plain.losses, rel=1e-4)
    assert short.notes == ["memory ran out: forward passes of 40 tokens from here on, the same updates"]
    assert trainer.layout.max_pack_tokens == 40


def test_when_passes_can_not_be_shorter_activations_are_recomputed_and_then_it_gives_up(mistral: Path) -> None:
    heard = Heard()
    lm = load_causal_lm(mistral)
    fail_above(lm, 5)
    with pytest.raises(OutOfMemoryError) as caught:
        make_trainer(lm, heard).run()
    assert heard.notes[-1] == "memory ran out: activations are recomputed from here on"
    assert str(caught.value) == (
        "Memory runs out with one sample of 40 tokens at a time. Use shorter samples (--set data.max_tokens=32), "
        "a smaller base, or --preset small."
    )


def test_another_error_is_not_taken_for_memory(mistral: Path) -> None:
    lm = load_causal_lm(mistral)

    def fail(*_: Any) -> None:
        raise RuntimeError("something else")

    lm.body.register_forward_pre_hook(fail)
    with pytest.raises(RuntimeError, match="something else"):
        make_trainer(lm, Heard()).run()


def test_float16_goes_through_the_gradient_scaler(mistral: Path) -> None:
    heard = Heard()
    lm = load_causal_lm(mistral, dtype="float16", attention="sdpa")
    trainer = make_trainer(lm, heard, config=configure(epochs=6))
    trainer.run()
    assert trainer.scaler.is_enabled()
    assert heard.losses[-1] < heard.losses[0] - 0.1


def test_one_sample_a_pass_where_packing_is_not_possible(mistral: Path) -> None:
    packed, unpacked = Heard(), Heard()
    make_trainer(load_causal_lm(mistral), packed).run()
    trainer = make_trainer(load_causal_lm(mistral), unpacked)
    trainer.layout.packed = False
    trainer.run()
    assert unpacked.losses == pytest.approx(packed.losses, rel=1e-4)


def test_padded_passes_are_the_same_updates(mistral: Path) -> None:
    plain, padded = Heard(), Heard()
    make_trainer(load_causal_lm(mistral), plain).run()
    trainer = make_trainer(load_causal_lm(mistral), padded)
    trainer.layout.pad = True
    trainer.run()
    assert padded.losses == pytest.approx(plain.losses, rel=1e-4)


def test_evaluations_come_after_the_steps_that_are_asked_for(mistral: Path) -> None:
    steps: list[int] = []
    trainer = make_trainer(load_causal_lm(mistral), Heard())
    trainer.evaluate, trainer.evaluate_at = steps.append, frozenset({1, 3})
    trainer.run()
    assert steps == [1, 3]
    assert trainer.lm.model.training


def test_a_run_counts_the_tokens_of_its_own_updates(mistral: Path, tmp_path: Path) -> None:
    file = tmp_path / "checkpoint.pt"
    whole = make_trainer(load_causal_lm(mistral), Heard()).run()
    with pytest.raises(TrainingStoppedError):
        make_trainer(load_causal_lm(mistral), Heard(), checkpoint=file, should_stop=stop_after(3)).run()
    start = Checkpoint.load(file, "cpu")
    assert start is not None
    rest = make_trainer(load_causal_lm(mistral), Heard(), checkpoint=file).run(start)
    assert (whole, start.tokens + rest) == (2 * sum(LENGTHS), whole)
