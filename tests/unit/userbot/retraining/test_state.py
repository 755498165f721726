"""The state of a training: what is stored while it runs, how often, and the line that is shown."""

from __future__ import annotations

import pytest
from fakes import FakeClock
from fakes_retraining import RetrainingStage

from training.events import Answered, CheckpointSaved, Stepped
from userbot.retraining.state import SAVE_INTERVAL_S, Phase, describe_training
from userbot.store import Store
from userbot.store.facts import RETRAIN_WISH, TRAINING, RetrainWish, TrainingState


async def read(stage: RetrainingStage) -> TrainingState:
    state = await stage.thread.run(stage.store.facts.get, TRAINING)
    assert state is not None
    return state


async def test_updates_are_stored_every_few_seconds(stage: RetrainingStage, clock: FakeClock) -> None:
    stage.process.running_pid = 4711
    started_at = clock()
    await stage.recorder.begin("sunday", now=started_at)

    for step in (1, 2):
        stage.recorder.handle_event(Stepped(step=step, total=10, loss=2.5))
    assert (await read(stage)).step == 1
    assert stage.recorder.state.step == 2

    clock.advance(SAVE_INTERVAL_S)
    stage.recorder.handle_event(Stepped(step=3, total=10, loss=2.25))
    assert await read(stage) == TrainingState(
        state="training",
        reason="sunday",
        started_at=started_at,
        step=3,
        total=10,
        loss=2.25,
        pid=4711,
    )


async def test_a_new_training_forgets_the_last_ones_figures(stage: RetrainingStage, clock: FakeClock) -> None:
    await stage.recorder.begin("first", now=clock())
    stage.recorder.handle_event(Stepped(step=9, total=10, loss=2.5))
    await stage.recorder.save(state=Phase.FAILED, text="no")

    await stage.recorder.begin("second", now=clock())

    assert await read(stage) == TrainingState(state="training", reason="second", started_at=clock())


async def test_answers_of_a_comparison_are_counted(stage: RetrainingStage, clock: FakeClock) -> None:
    await stage.recorder.begin("sunday", now=clock())

    stage.recorder.handle_event(CheckpointSaved(step=1))
    stage.recorder.handle_event(Answered(answered=3, prompts=128))

    state = await read(stage)
    assert (state.answered, state.prompts, state.step) == (3, 128, None)


@pytest.mark.parametrize(
    ("wish", "last", "line"),
    [
        (None, None, None),
        (RetrainWish(reason="sunday"), None, "Training waits (sunday)"),
        (
            RetrainWish(reason="sunday", waits="it is noon"),
            TrainingState(state=Phase.FAILED),
            "Training waits (sunday): it is noon",
        ),
        (
            RetrainWish(reason="sunday"),
            TrainingState(state=Phase.TRAINING, step=3, total=10, loss=2.5, eta_s=120.0),
            "Training: update 3 of 10, loss 2.500 nats per token, 2 min left",
        ),
        (None, TrainingState(state=Phase.TRAINING), "Training: starting"),
        (
            None,
            TrainingState(state=Phase.COMPARING, adapter_id="a1", step=10, total=10),
            "Training: comparing adapter a1 with the active one",
        ),
        (None, TrainingState(state=Phase.ACTIVATED, text="Passed."), "Training: activated: Passed."),
        (None, TrainingState(state=Phase.CANCELLED, text="you stopped it"), "Training: cancelled: you stopped it"),
        (None, TrainingState(state=Phase.INTERRUPTED), "Training: interrupted"),
    ],
)
def test_the_status_line(store: Store, wish: RetrainWish | None, last: TrainingState | None, line: str | None) -> None:
    store.facts.set(RETRAIN_WISH, wish)
    store.facts.set(TRAINING, last)

    assert describe_training(store) == line
