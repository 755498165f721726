"""When a training starts: on request, after enough new turns, as conditions allow, once at a time, after a crash."""

from __future__ import annotations

import asyncio
from datetime import UTC, time, timedelta

import pytest
from fakes import FakeClock, bubble
from fakes_retraining import RetrainingStage

from userbot.domain.hours import Hours
from userbot.domain.messages import Chat, Origin
from userbot.retraining.host import GpuLoad
from userbot.retraining.process import Ended
from userbot.retraining.state import describe_training
from userbot.store import Store
from userbot.store.facts import RETRAIN_SEEN_AT, RETRAIN_WISH

NIGHT = {"hours": Hours(time(1), time(6)), "zone": UTC}


def write(store: Store, first_id: int, turns: int, *, origin: Origin = Origin.OWNER) -> None:
    """Store turns of one side, each after a bubble of the contact."""
    for index in range(first_id, first_id + turns):
        number, at_s = index * 10, index * 60.0
        store.messages.add(
            [
                bubble(number, "q", at_s=at_s),
                bubble(number + 1, "a", origin=origin, at_s=at_s + 5),
                bubble(number + 2, "b", origin=origin, at_s=at_s + 6),
            ]
        )


async def test_a_requested_training_starts_with_its_reason(stage: RetrainingStage) -> None:
    retraining = stage.make_retraining()

    await retraining.request("sunday")
    await retraining.wait()

    assert stage.process.trained == [(None, False)]
    assert stage.owner.texts[0] == "Training a new adapter, because: sunday."
    assert stage.store.facts.get(RETRAIN_WISH) is None


async def test_new_turns_of_the_owner_start_a_training(stage: RetrainingStage, store: Store, friend: Chat) -> None:
    store.consents.give(friend.id, by="Vera")
    retraining = stage.make_retraining(turns=5)
    write(store, 1, 4)
    await retraining.check()
    assert not retraining.is_running

    write(store, 10, 1)
    await retraining.check()
    await retraining.wait()

    assert stage.process.trained == [(None, False)]
    assert stage.owner.texts[0] == "Training a new adapter, because: 5 new turns of yours."


async def test_turns_seen_by_a_failed_training_do_not_start_the_next(
    stage: RetrainingStage, store: Store, friend: Chat, clock: FakeClock
) -> None:
    store.consents.give(friend.id, by="Vera")
    stage.process.training = Ended(code=1)
    retraining = stage.make_retraining(turns=5)
    write(store, 1, 6)
    clock.advance(60)
    await retraining.check()
    await retraining.wait()

    await retraining.check()

    assert len(stage.process.trained) == 1


async def test_the_clones_own_turns_and_chats_without_consent_never_count(
    stage: RetrainingStage, store: Store, friend: Chat
) -> None:
    retraining = stage.make_retraining(turns=1)
    write(store, 1, 5)
    await retraining.check()
    assert not retraining.is_running

    store.consents.give(friend.id, by="Vera")
    store.facts.set(RETRAIN_SEEN_AT, store.clock())
    write(store, 50, 5, origin=Origin.CLONE)
    await retraining.check()

    assert not retraining.is_running


async def test_a_request_waits_until_conditions_allow(stage: RetrainingStage, clock: FakeClock) -> None:
    retraining = stage.make_retraining(**NIGHT, only_on_ac=True, only_idle_gpu=True)
    stage.load = GpuLoad(3, 1000)

    await retraining.request("sunday")
    assert not retraining.is_running
    assert describe_training(stage.store) == "Training waits (sunday): it is not between 01:00 and 06:00"

    clock.advance(timedelta(hours=14).total_seconds())
    stage.mains = False
    await retraining.check()
    assert describe_training(stage.store) == "Training waits (sunday): the machine runs on its battery"

    stage.mains = True
    await retraining.check()
    await retraining.wait()
    assert stage.state == "promoted"
    assert stage.store.facts.get(RETRAIN_WISH) is None


async def test_a_training_that_the_owner_starts_does_not_wait_for_the_hour(stage: RetrainingStage) -> None:
    retraining = stage.make_retraining(**NIGHT)

    answer = await retraining.start_now()
    await retraining.wait()

    assert answer == "Training begins. You hear here how it ends; `/clone status` shows how far it is."
    assert stage.state == "promoted"


async def test_only_one_training_runs_at_a_time(stage: RetrainingStage) -> None:
    stage.process.hold.clear()
    retraining = stage.make_retraining()
    await retraining.start_now()
    await asyncio.sleep(0)

    assert await retraining.start_now() == "A training is under way already. `/clone status` shows how far it is."
    await retraining.request()
    await retraining.check()
    stage.process.hold.set()
    await retraining.wait()

    assert len(stage.process.trained) == 1


async def test_jobs_that_come_at_once_start_one_training(stage: RetrainingStage) -> None:
    stage.process.hold.clear()
    retraining = stage.make_retraining()

    await asyncio.gather(retraining.request(), retraining.request(), retraining.check())
    stage.process.hold.set()
    await retraining.wait()
    await retraining.check()

    assert len(stage.process.trained) == 1


async def test_cancelling_stops_the_process_and_keeps_the_adapter(stage: RetrainingStage) -> None:
    stage.activate("old")
    stage.process.hold.clear()
    retraining = stage.make_retraining()
    await retraining.start_now()
    await stage.process.began.wait()

    assert await retraining.cancel() == "The training was cancelled. The active adapter stays."
    assert stage.process.stopped
    assert stage.active == "old"
    assert stage.state == "cancelled"
    assert await retraining.cancel() == "No training is under way."


async def test_cancelling_resumes_a_suspended_model(stage: RetrainingStage) -> None:
    stage.load = GpuLoad(0, 1)
    stage.process.hold.clear()
    retraining = stage.make_retraining(gpu_free_mb=8000)
    await retraining.start_now()
    await stage.process.began.wait()

    await retraining.cancel()

    assert stage.model.calls == ["suspend", "resume"]


async def test_after_a_crash_the_next_start_continues_the_run(stage: RetrainingStage) -> None:
    stage.activate("old")
    stage.process.hold.clear()
    died = stage.make_retraining()
    await died.start_now()
    await stage.process.began.wait()
    await stage.thread.run(lambda: None)
    await died.stop()
    stage.process.hold.set()

    restarted = stage.make_retraining()
    await restarted.recover()
    assert stage.state == "interrupted"
    await restarted.check()
    await restarted.wait()

    assert stage.process.killed == [4711]
    assert stage.process.trained == [(None, False), (None, True)]
    assert stage.state == "promoted"


async def test_a_cancelled_training_does_not_come_back_after_a_restart(stage: RetrainingStage) -> None:
    stage.process.hold.clear()
    retraining = stage.make_retraining()
    await retraining.start_now()
    await stage.process.began.wait()
    await retraining.cancel()

    await retraining.recover()
    await retraining.check()

    assert not retraining.is_running


@pytest.mark.parametrize("asked", [False, True])
async def test_nothing_starts_unasked(stage: RetrainingStage, store: Store, friend: Chat, asked: bool) -> None:
    store.consents.give(friend.id, by="Vera")
    write(store, 1, 50)
    retraining = stage.make_retraining(turns=10 if asked else None)

    await retraining.check()
    await retraining.wait()

    assert bool(stage.process.trained) is asked
