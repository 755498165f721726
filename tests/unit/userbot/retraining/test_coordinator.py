"""Retraining: when it starts, what it leaves behind however it ends, and what the owner hears."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from datetime import UTC, time, timedelta
from pathlib import Path
from typing import Any

import pytest
from fakes import FakeClock, bubble

from userbot.domain.errors import OfflineError
from userbot.domain.hours import Hours
from userbot.domain.messages import Chat, Origin
from userbot.retraining.conditions import Conditions, Host
from userbot.retraining.coordinator import Retraining
from userbot.retraining.host import GpuLoad
from userbot.retraining.process import Ended
from userbot.retraining.state import describe_training
from userbot.store import Store
from userbot.store.adapters import AdapterShelf, Manifest
from userbot.store.facts import RETRAIN_SEEN_AT, RETRAIN_WISH, TRAINING
from userbot.store.thread import StoreThread

Listener = Callable[[dict[str, Any]], None]


class ScriptedProcess:
    """Stands in for the training process: what it answers is set by the test."""

    def __init__(self, shelf: AdapterShelf) -> None:
        self.shelf = shelf
        self.trained: list[tuple[str | None, bool]] = []
        self.compared: list[tuple[str, str | None]] = []
        self.killed: list[int] = []
        self.training = Ended(0)
        self.gate = Ended(0, {"summary": "Passed.", "report": "/r/report.html", "picture": "/r/summary.png"})
        self.began = asyncio.Event()
        self.hold = asyncio.Event()
        self.hold.set()
        self.stopped = False

    @property
    def pid(self) -> int | None:
        return 4711

    def end_orphan(self, pid: int) -> bool:
        self.killed.append(pid)
        return True

    async def train(self, parent: str | None, *, resume: bool, on_event: Listener) -> Ended:
        self.trained.append((parent, resume))
        on_event({"event": "step", "step": 3, "total": 10, "loss": 2.5, "eta_s": 120.0})
        await asyncio.sleep(0)  # what it saves is under way now
        self.began.set()
        try:
            await self.hold.wait()
        except asyncio.CancelledError:
            self.stopped = True
            raise
        if self.training.code in (0, 4):
            name = f"a{len(self.trained)}"
            add_adapter(self.shelf, name)
            return Ended(self.training.code, {"adapter_id": name})
        return self.training

    async def compare(self, candidate: str, current: str | None, *, on_event: Listener) -> Ended:
        self.compared.append((candidate, current))
        return self.gate


class Inbox:
    """The owner's Saved Messages."""

    def __init__(self) -> None:
        self.texts: list[str] = []
        self.pictures: list[Path] = []
        self.away = False

    async def notify_owner(self, text: str) -> None:
        if self.away:
            raise OfflineError("no connection")
        self.texts.append(text)

    async def send_picture_to_owner(self, picture: Path, caption: str) -> None:
        await self.notify_owner(caption)
        self.pictures.append(picture)


class FakeHost:
    """The model that the daemon serves with, and the host's mood."""

    def __init__(self, shelf: AdapterShelf) -> None:
        self.shelf = shelf
        self.serves: str | None = None
        self.unloadable: set[str] = set()
        self.suspended: list[str] = []
        self.mains = True
        self.load: GpuLoad | None = None

    async def suspend(self) -> None:
        self.suspended.append("suspend")

    async def resume(self) -> None:
        self.suspended.append("resume")

    async def activate_adapter(self) -> str | None:
        current = self.shelf.active()
        if current is not None and current.id not in self.unloadable:
            self.serves = current.id
        return self.serves


def add_adapter(shelf: AdapterShelf, name: str) -> None:
    with shelf.write(Manifest(id=name, base="tiny", created_at="2026-01-05T12:00:00+00:00")) as folder:
        (folder / "adapter_model.safetensors").write_bytes(name.encode())


class Bench:
    """Everything around one Retraining."""

    def __init__(self, store: Store, folder: Path) -> None:
        self.store = store
        self.shelf = AdapterShelf(folder / "adapters")
        self.process = ScriptedProcess(self.shelf)
        self.inbox = Inbox()
        self.host = FakeHost(self.shelf)
        self.thread = StoreThread()

    def make(self, **conditions: Any) -> Retraining:
        return Retraining(
            store=self.store,
            thread=self.thread,
            shelf=self.shelf,
            conditions=Conditions(zone=UTC, **conditions),
            process=self.process,
            owner=self.inbox,
            activate_adapter=self.host.activate_adapter,
            suspendable=self.host,
            host=Host(lambda: self.host.mains, lambda: self.host.load),
        )

    def activate(self, name: str) -> None:
        add_adapter(self.shelf, name)
        self.shelf.activate(name)
        self.host.serves = name

    @property
    def state(self) -> str:
        state = self.store.facts.get(TRAINING)
        assert state is not None
        return state.state

    @property
    def in_service(self) -> str | None:
        current = self.shelf.active()
        return current.id if current else None


@pytest.fixture
async def bench(store: Store, tmp_path: Path) -> AsyncIterator[Bench]:
    made = Bench(store, tmp_path)
    yield made
    made.thread.close()


def write(store: Store, first_id: int, turns: int, *, origin: Origin = Origin.OWNER) -> None:
    """Store turns of one side, a peer's bubble before each."""
    for index in range(turns):
        at_s = (first_id + index) * 60.0
        number = (first_id + index) * 10
        store.messages.add(
            [
                bubble(number, "q", at_s=at_s),
                bubble(number + 1, "a", origin=origin, at_s=at_s + 5),
                bubble(number + 2, "b", origin=origin, at_s=at_s + 6),
            ]
        )


async def test_a_better_candidate_goes_into_service_and_the_owner_sees_it(bench: Bench) -> None:
    retraining = bench.make()

    await retraining.want("sunday")
    await retraining.wait()

    assert bench.in_service == bench.host.serves == "a1"
    assert bench.state == "promoted"
    assert bench.inbox.pictures == [Path("/r/summary.png")]
    assert bench.inbox.texts == [
        "Training a new adapter, because: sunday.",
        "Adapter a1 is now in service. Passed.\nReport: /r/report.html",
    ]


async def test_a_worse_candidate_is_kept_and_not_promoted(bench: Bench) -> None:
    bench.activate("old")
    bench.process.gate = Ended(4, {"summary": "Not promoted: too long.", "report": "/r", "picture": "/p"})

    retraining = bench.make()
    await retraining.want()
    await retraining.wait()

    assert bench.process.compared == [("a1", "old")]
    assert bench.in_service == bench.host.serves == "old"
    assert bench.shelf.get("a1")
    assert bench.state == "refused"
    assert bench.inbox.texts[-1] == "Adapter a1 was kept out. Not promoted: too long.\nReport: /r"


async def test_a_slightly_higher_loss_is_for_the_gate_to_judge(bench: Bench) -> None:
    bench.process.training = Ended(4)

    retraining = bench.make()
    await retraining.want()
    await retraining.wait()

    assert bench.in_service == "a1"


@pytest.mark.parametrize(
    ("ended", "told"),
    [
        (Ended(3, {"event": "error", "text": "There are 5 turns"}), "There are 5 turns"),
        (Ended(-9, {"event": "note", "text": "layers: compiled"}), "the process ended with code -9"),
    ],
)
async def test_a_training_that_fails_leaves_the_old_adapter(bench: Bench, ended: Ended, told: str) -> None:
    bench.activate("old")
    bench.process.training = ended

    retraining = bench.make()
    await retraining.want()
    await retraining.wait()

    assert bench.in_service == bench.host.serves == "old"
    assert bench.process.compared == []
    assert bench.state == "failed"
    assert bench.inbox.texts[-1] == f"Training failed, the adapter in service stays: {told}"


async def test_a_gate_that_crashes_promotes_nothing(bench: Bench) -> None:
    bench.activate("old")
    bench.process.gate = Ended(1)

    retraining = bench.make()
    await retraining.want()
    await retraining.wait()

    assert bench.in_service == "old"
    assert bench.state == "failed"


async def test_an_adapter_that_the_model_cannot_load_is_taken_back(bench: Bench) -> None:
    bench.activate("old")
    bench.host.unloadable.add("a1")

    retraining = bench.make()
    await retraining.want()
    await retraining.wait()

    assert bench.in_service == bench.host.serves == "old"
    assert bench.state == "failed"


async def test_new_turns_of_the_owner_start_a_training(bench: Bench, store: Store, friend: Chat) -> None:
    store.chats.record_consent(friend.id, by="Vera")
    retraining = bench.make(turns=5)
    write(store, 1, 4)
    await retraining.check()
    assert not retraining.is_running

    write(store, 10, 1)
    await retraining.check()
    await retraining.wait()

    assert bench.process.trained == [(None, False)]
    assert bench.inbox.texts[0] == "Training a new adapter, because: 5 new turns of yours."


async def test_turns_seen_by_a_training_do_not_start_the_next(
    bench: Bench, store: Store, friend: Chat, clock: FakeClock
) -> None:
    store.chats.record_consent(friend.id, by="Vera")
    bench.process.training = Ended(1)
    retraining = bench.make(turns=5)
    write(store, 1, 6)
    clock.advance(60)
    await retraining.check()
    await retraining.wait()

    await retraining.check()

    assert len(bench.process.trained) == 1


async def test_the_clones_own_turns_and_chats_without_consent_never_count(
    bench: Bench, store: Store, friend: Chat
) -> None:
    retraining = bench.make(turns=1)
    write(store, 1, 5)
    await retraining.check()
    assert not retraining.is_running

    store.chats.record_consent(friend.id, by="Vera")
    store.facts.set(RETRAIN_SEEN_AT, store.clock())
    write(store, 50, 5, origin=Origin.CLONE)
    await retraining.check()

    assert not retraining.is_running


@pytest.mark.parametrize(
    ("conditions", "prepare", "waits"),
    [
        ({"hours": Hours(time(1), time(6))}, lambda host: None, "it is not between 01:00 and 06:00"),
        ({"only_on_ac": True}, lambda host: setattr(host, "mains", False), "the machine runs on its battery"),
        (
            {"only_idle_gpu": True},
            lambda host: setattr(host, "load", GpuLoad(80, 1000)),
            "the GPU is busy (80%)",
        ),
    ],
)
async def test_a_wish_waits_until_conditions_allow(
    bench: Bench, clock: FakeClock, conditions: dict[str, Any], prepare: Callable[[FakeHost], None], waits: str
) -> None:
    prepare(bench.host)
    retraining = bench.make(**conditions)

    await retraining.want("sunday")
    assert not retraining.is_running
    assert describe_training(bench.store) == f"Training waits (sunday): {waits}"

    clock.advance(timedelta(hours=14).total_seconds())
    bench.host.mains, bench.host.load = True, GpuLoad(3, 1000)
    await retraining.check()
    await retraining.wait()

    assert bench.state == "promoted"
    assert bench.store.facts.get(RETRAIN_WISH) is None


async def test_the_owners_order_does_not_wait_for_the_hour(bench: Bench) -> None:
    retraining = bench.make(hours=Hours(time(1), time(6)))

    told = await retraining.order()
    await retraining.wait()

    assert told == "Training begins. You hear here how it ends; `/clone status` shows how far it is."
    assert bench.state == "promoted"


async def test_only_one_training_runs_at_a_time(bench: Bench) -> None:
    bench.process.hold.clear()
    retraining = bench.make()
    await retraining.order()
    await asyncio.sleep(0)

    assert await retraining.order() == ("A training is under way already. `/clone status` shows how far it is.")
    await retraining.want()
    await retraining.check()
    bench.process.hold.set()
    await retraining.wait()

    assert len(bench.process.trained) == 1


async def test_jobs_that_come_at_once_start_one_training(bench: Bench) -> None:
    bench.process.hold.clear()
    retraining = bench.make()

    await asyncio.gather(retraining.want(), retraining.want(), retraining.check())
    bench.process.hold.set()
    await retraining.wait()
    await retraining.check()

    assert len(bench.process.trained) == 1


async def test_progress_is_in_the_status(bench: Bench) -> None:
    bench.process.hold.clear()
    retraining = bench.make()
    await retraining.order()
    await bench.process.began.wait()
    await bench.thread.run(lambda: None)

    assert describe_training(bench.store) == "Training: update 3 of 10, loss 2.500 nats a token, 2 min left"
    await retraining.stop()


async def test_cancelling_stops_the_process_and_keeps_the_adapter(bench: Bench) -> None:
    bench.activate("old")
    bench.process.hold.clear()
    retraining = bench.make()
    await retraining.order()
    await bench.process.began.wait()

    assert await retraining.cancel() == "The training was cancelled. The adapter in service stays."
    assert bench.process.stopped
    assert bench.in_service == "old"
    assert bench.state == "cancelled"
    assert await retraining.cancel() == "No training is under way."


async def test_after_a_crash_the_next_start_goes_on_with_the_run(bench: Bench) -> None:
    bench.activate("old")
    bench.process.hold.clear()
    died = bench.make()
    await died.order()
    await bench.process.began.wait()
    await bench.thread.run(lambda: None)
    await died.stop()
    bench.process.hold.set()

    again = bench.make()
    await again.recover()
    await again.check()
    await again.wait()

    assert bench.process.killed == [4711]
    assert bench.process.trained == [(None, False), (None, True)]
    assert bench.state == "promoted"


async def test_a_cancelled_training_does_not_come_back_by_itself(bench: Bench) -> None:
    bench.process.hold.clear()
    retraining = bench.make()
    await retraining.order()
    await bench.process.began.wait()
    await retraining.cancel()

    await retraining.recover()
    await retraining.check()

    assert not retraining.is_running


async def test_going_on_names_the_adapter_in_service_as_parent(bench: Bench) -> None:
    bench.activate("old")
    retraining = bench.make(continue_from_active=True)

    await retraining.want()
    await retraining.wait()

    assert bench.process.trained == [("old", False)]


async def test_an_owner_who_cannot_be_told_does_not_stop_it(bench: Bench) -> None:
    bench.inbox.away = True
    retraining = bench.make()

    await retraining.want()
    await retraining.wait()

    assert bench.in_service == "a1"


@pytest.mark.parametrize(("free_mb", "suspended"), [(4000, ["suspend", "resume"]), (9000, [])])
async def test_the_model_makes_room_where_the_gpu_is_too_small_for_both(
    bench: Bench, free_mb: int, suspended: list[str]
) -> None:
    bench.host.load = GpuLoad(0, free_mb)
    retraining = bench.make(gpu_free_mb=8000)

    await retraining.want()
    await retraining.wait()

    assert bench.host.suspended == suspended
    told = "The GPU has 4000 MiB free and training needs 8000: answers wait until it is over."
    assert (told in bench.inbox.texts) is bool(suspended)


async def test_the_model_comes_back_however_training_ends(bench: Bench) -> None:
    bench.host.load = GpuLoad(0, 1)
    bench.process.hold.clear()
    retraining = bench.make(gpu_free_mb=8000)
    await retraining.order()
    await bench.process.began.wait()

    await retraining.cancel()

    assert bench.host.suspended == ["suspend", "resume"]
