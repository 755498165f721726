"""One cycle: what is active, what is stored and what the owner hears, however training and comparison end."""

from __future__ import annotations

from pathlib import Path

import pytest
from fakes import FakeClock
from fakes_retraining import RetrainingStage

from training.events import Failed, Judged
from userbot.retraining.host import GpuLoad
from userbot.retraining.process import Ended
from userbot.store.facts import TRAINING


async def run(stage: RetrainingStage, clock: FakeClock, **conditions: object) -> None:
    await stage.make_cycle(**conditions).run("sunday", resume=False, now=clock())


async def test_a_better_candidate_is_activated_and_the_owner_sees_it(stage: RetrainingStage, clock: FakeClock) -> None:
    await run(stage, clock)

    assert stage.active == stage.model.adapter_id == "a1"
    assert stage.state == "promoted"
    assert stage.owner.pictures == [Path("/r/summary.png")]
    assert stage.owner.texts == [
        "Training a new adapter, because: sunday.",
        "Adapter a1 is now active. Passed.\nReport: /r/report.html",
    ]


async def test_a_worse_candidate_is_kept_and_not_activated(stage: RetrainingStage, clock: FakeClock) -> None:
    stage.activate("old")
    judged = Judged(passed=False, summary="Not activated: too long.", report="/r", picture="/p")
    stage.process.comparison = Ended(code=4, judged=judged)

    await run(stage, clock)

    assert stage.process.compared == [("a1", "old")]
    assert stage.active == stage.model.adapter_id == "old"
    assert stage.shelf.get("a1")
    assert stage.state == "refused"
    assert stage.owner.texts[-1] == "Adapter a1 was not activated. Not activated: too long.\nReport: /r"


async def test_a_slightly_higher_loss_is_for_the_gate_to_judge(stage: RetrainingStage, clock: FakeClock) -> None:
    stage.process.training = Ended(code=4)

    await run(stage, clock)

    assert stage.active == "a1"


@pytest.mark.parametrize(
    ("ended", "cause"),
    [
        (Ended(code=3, failed=Failed(text="There are 5 turns", exit_code=3)), "There are 5 turns"),
        (Ended(code=-9), "the process ended with code -9"),
    ],
)
async def test_a_training_that_fails_leaves_the_active_adapter(
    stage: RetrainingStage, clock: FakeClock, ended: Ended, cause: str
) -> None:
    stage.activate("old")
    stage.process.training = ended

    await run(stage, clock)

    assert stage.active == stage.model.adapter_id == "old"
    assert stage.process.compared == []
    assert stage.state == "failed"
    assert stage.owner.texts[-1] == f"Training failed, the active adapter stays: {cause}"


async def test_success_without_an_adapter_is_a_failure(stage: RetrainingStage, clock: FakeClock) -> None:
    stage.process.makes_adapters = False

    await run(stage, clock)

    assert (stage.active, stage.state, stage.process.compared) == (None, "failed", [])


async def test_a_comparison_that_crashes_activates_nothing(stage: RetrainingStage, clock: FakeClock) -> None:
    stage.activate("old")
    stage.process.comparison = Ended(code=1)

    await run(stage, clock)

    assert (stage.active, stage.state) == ("old", "failed")


async def test_an_adapter_that_the_model_cannot_load_is_rolled_back(stage: RetrainingStage, clock: FakeClock) -> None:
    stage.activate("old")
    stage.model.unloadable.add("a1")

    await run(stage, clock)

    assert stage.active == stage.model.adapter_id == "old"
    assert stage.state == "failed"
    assert stage.owner.texts[-1].endswith("the model can't load a1; the adapter before it is active again")


async def test_an_error_of_our_own_is_told_by_its_name_alone(
    stage: RetrainingStage, clock: FakeClock, caplog: pytest.LogCaptureFixture
) -> None:
    stage.activate("old")
    (stage.shelf.folder / "current.json").write_text("{")

    await run(stage, clock)

    assert stage.state == "failed"
    assert stage.owner.texts[-1].endswith("AdapterDamagedError in the daemon; its log says more")
    assert "retraining failed" in caplog.text


async def test_continuing_names_the_active_adapter_as_parent(stage: RetrainingStage, clock: FakeClock) -> None:
    stage.activate("old")

    await run(stage, clock, continue_from_active=True)

    assert stage.process.trained == [("old", False)]


async def test_an_owner_who_cannot_be_reached_does_not_stop_it(stage: RetrainingStage, clock: FakeClock) -> None:
    stage.owner.unreachable = True

    await run(stage, clock)

    assert stage.active == "a1"


async def test_the_comparison_is_stored_with_its_report(stage: RetrainingStage, clock: FakeClock) -> None:
    await run(stage, clock)

    state = stage.store.facts.get(TRAINING)
    assert state is not None
    assert (state.adapter_id, state.text, state.report, state.pid) == ("a1", "Passed.", "/r/report.html", None)


@pytest.mark.parametrize(("free_mb", "calls"), [(4000, ["suspend", "resume"]), (9000, [])])
async def test_the_model_is_suspended_where_the_gpu_is_too_small_for_both(
    stage: RetrainingStage, clock: FakeClock, free_mb: int, calls: list[str]
) -> None:
    stage.load = GpuLoad(0, free_mb)

    await run(stage, clock, gpu_free_mb=8000)

    assert stage.model.calls == calls
    text = "The GPU has 4000 MiB free and training needs 8000: answers wait until it is over."
    assert (text in stage.owner.texts) is bool(calls)


async def test_the_model_resumes_when_training_fails(stage: RetrainingStage, clock: FakeClock) -> None:
    stage.load = GpuLoad(0, 1)
    stage.process.training = Ended(code=1)

    await run(stage, clock, gpu_free_mb=8000)

    assert stage.model.calls == ["suspend", "resume"]
