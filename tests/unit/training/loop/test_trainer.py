"""The training loop: the same curve after a stop, smaller rows when memory runs out, the learning rate."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from models import invent_samples, load_causal_lm, make_base

from training.config import TrainConfig, make_config
from training.data.tokens import flatten
from training.events import Note, Stepped
from training.loop.batches import plan_batches
from training.loop.checkpoint import Checkpoint
from training.loop.optimizer import shape_rate
from training.loop.throughput import measure_throughput
from training.loop.trainer import Layout, Trainer
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


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_base(tmp_path_factory.mktemp("base") / "mistral")


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
    plan, _ = plan_batches(config, tokens)
    return Trainer(
        lm=lm,
        tokens=tokens,
        plan=plan,
        config=config,
        layout=Layout(max_pack_tokens=max_pack_tokens),
        progress=progress,
        checkpoint=checkpoint,
        should_stop=should_stop,
    )


def stop_after(calls: int) -> Callable[[], bool]:
    left = iter(range(calls))
    return lambda: next(left, None) is None


def test_training_lowers_the_loss(base: Path) -> None:
    heard = Heard()
    make_trainer(load_causal_lm(base), heard, config=configure(epochs=8)).run()
    assert heard.losses[-1] < heard.losses[0] - 0.3


@pytest.mark.parametrize("optimizer", ["adamw", "paged_adamw_8bit"])
def test_a_resumed_run_has_the_same_curve(base: Path, tmp_path: Path, optimizer: str) -> None:
    config = configure(optimizer=optimizer)
    whole, first, rest = Heard(), Heard(), Heard()
    lm = load_causal_lm(base, dropout=0.2)
    make_trainer(lm, whole, config=config).run()
    expected = [value.clone() for value in lm.model.parameters() if value.requires_grad]

    file = tmp_path / "checkpoint.pt"
    with pytest.raises(
        TrainingStoppedError, match=r"^Training stopped after 3 of \d updates\. `clone train --resume` goes"
    ):
        make_trainer(
            load_causal_lm(base, dropout=0.2), first, config=config, checkpoint=file, should_stop=stop_after(3)
        ).run()
    lm = load_causal_lm(base, dropout=0.2)
    make_trainer(lm, rest, config=config, checkpoint=file).run(Checkpoint.load(file, "cpu"))
    assert first.losses + rest.losses == whole.losses
    assert len(first.losses) == 3
    found = [value for value in lm.model.parameters() if value.requires_grad]
    assert all(torch.equal(one, other) for one, other in zip(found, expected, strict=True))


def test_accumulating_small_rows_is_the_same_update(base: Path) -> None:
    one, many = Heard(), Heard()
    make_trainer(load_causal_lm(base), one, max_pack_tokens=80).run()
    make_trainer(load_causal_lm(base), many, max_pack_tokens=40).run()
    assert many.losses == pytest.approx(one.losses, rel=1e-4)


def fail_above(lm: CausalLM, tokens: int) -> None:
    """Let the memory of a device run out on rows longer than some tokens."""

    def check(module: torch.nn.Module, args: Any, inputs: dict[str, Any]) -> None:
        if inputs["input_ids"].shape[1] > tokens:
            raise torch.OutOfMemoryError("injected")

    lm.body.register_forward_pre_hook(check, with_kwargs=True)


def test_running_out_of_memory_halves_the_rows_and_keeps_the_updates(base: Path) -> None:
    plain, short = Heard(), Heard()
    make_trainer(load_causal_lm(base), plain).run()
    lm = load_causal_lm(base)
    fail_above(lm, 45)
    trainer = make_trainer(lm, short)
    trainer.run()
    assert short.losses == pytest.approx(plain.losses, rel=1e-4)
    assert short.notes == ["memory ran out: rows of 40 tokens from here on, the same updates"]
    assert trainer.layout.max_pack_tokens == 40


def test_when_rows_can_not_be_smaller_activations_are_recomputed_and_then_it_gives_up(base: Path) -> None:
    heard = Heard()
    lm = load_causal_lm(base)
    fail_above(lm, 5)
    with pytest.raises(OutOfMemoryError) as caught:
        make_trainer(lm, heard).run()
    assert heard.notes[-1] == "memory ran out: activations are recomputed from here on"
    assert str(caught.value) == (
        "Memory runs out with one sample of 40 tokens at a time. Use shorter samples (--set data.max_tokens=32), "
        "a smaller base, or --preset small."
    )


def test_another_error_is_not_taken_for_memory(base: Path) -> None:
    lm = load_causal_lm(base)

    def fail(*_: Any) -> None:
        raise RuntimeError("something else")

    lm.body.register_forward_pre_hook(fail)
    with pytest.raises(RuntimeError, match="something else"):
        make_trainer(lm, Heard()).run()


@pytest.mark.parametrize("optimizer", ["adamw", "paged_adamw_8bit"])
@pytest.mark.parametrize("dtype", ["float32", "float16"])
def test_measuring_the_speed_changes_nothing(base: Path, optimizer: str, dtype: str) -> None:
    config, curves = configure(optimizer=optimizer), []
    for measured in (False, True):
        heard, lm = Heard(), load_causal_lm(base, dtype=dtype, attention="sdpa")
        trainer = make_trainer(lm, heard, config=config)
        before = [value.clone() for value in trainer.parameters]
        if measured:
            speed = measure_throughput(trainer)
            assert speed is not None and speed > 0
            assert all(torch.equal(one, other) for one, other in zip(before, trainer.parameters, strict=True))
        trainer.run()
        curves.append((heard.losses, [value.detach() for value in trainer.parameters]))
    assert curves[0][0] == curves[1][0]
    assert all(torch.equal(one, other) for one, other in zip(curves[0][1], curves[1][1], strict=True))


def test_float16_goes_through_the_gradient_scaler(base: Path) -> None:
    heard = Heard()
    lm = load_causal_lm(base, dtype="float16", attention="sdpa")
    trainer = make_trainer(lm, heard, config=configure(epochs=6))
    trainer.run()
    assert trainer.scaler.is_enabled()
    assert heard.losses[-1] < heard.losses[0] - 0.1


def test_rows_of_one_sample_where_packing_is_not_possible(base: Path) -> None:
    packed, alone = Heard(), Heard()
    make_trainer(load_causal_lm(base), packed).run()
    trainer = make_trainer(load_causal_lm(base), alone)
    trainer.layout.packed = False
    trainer.run()
    assert alone.losses == pytest.approx(packed.losses, rel=1e-4)


def test_the_learning_rate_rises_then_follows_its_schedule() -> None:
    shares = [shape_rate("linear", 2, step=step, total=6) for step in range(6)]
    assert shares == pytest.approx([1 / 3, 2 / 3, 1, 0.75, 0.5, 0.25])
    assert [shape_rate("constant", 0, step=step, total=6) for step in (0, 5)] == [1, 1]
    assert shape_rate("cosine", 0, step=3, total=6) == pytest.approx(0.5)


def test_epochs_may_be_a_fraction_and_updates_limited() -> None:
    tokens = flatten(invent_samples(LENGTHS))
    one, _ = plan_batches(configure(epochs=1), tokens)
    half, ends = plan_batches(configure(epochs=1.5), tokens)
    assert len(half) == len(one) + -(-len(one) // 2)
    assert ends == [len(one), len(half)]
    assert [samples.tolist() for samples in half[: len(one)]] == [samples.tolist() for samples in one]
    assert len(plan_batches(configure(max_steps=2), tokens)[0]) == 2
