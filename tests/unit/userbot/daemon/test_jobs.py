"""The scheduled jobs: which there are, and what pruning and backing up do to a home folder."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from fakes import FakeClock, bubble
from fakes_reply import FakeMessenger, ScriptedGenerator

from userbot.config.settings import Settings, load_settings
from userbot.daemon.jobs import ScheduledJobs, make_conditions
from userbot.daemon.schedule import Job, read_next_runs
from userbot.domain.hours import Hours
from userbot.domain.messages import Chat, ChatKind
from userbot.store import Store
from userbot.store.adapters import AdapterShelf, Manifest
from userbot.store.thread import StoreThread


@pytest.fixture
def home(store: Store) -> Path:
    return Path(str(store.engine.url.database)).parent


def _make(settings: Settings, store: Store, thread: StoreThread, clock: FakeClock) -> ScheduledJobs:
    async def activate() -> str | None:
        return None

    return ScheduledJobs(
        settings,
        store=store,
        thread=thread,
        shelf=AdapterShelf(settings.paths.adapters),
        messenger=FakeMessenger(clock),
        generator=ScriptedGenerator(),
        activate_adapter=activate,
    )


def _jobs(made: ScheduledJobs) -> dict[str, Job]:
    return {job.name: job for job in made.list_jobs()}


def test_jobs_are_those_that_the_settings_name(home: Path, store: Store, thread: StoreThread, clock: FakeClock) -> None:
    jobs = _jobs(_make(load_settings(home), store, thread, clock))
    assert {name: job.when for name, job in jobs.items()} == {
        "check": "every 300 s", "prune": "30 4 * * *", "back up": "0 4 * * *", "expire": "45 3 * * *",
    }  # fmt: skip
    schedule: dict[str, Any] = {"prune_cron": "", "backup_cron": "", "retrain_cron": "0 3 * * 0", "check_s": 60}
    jobs = _jobs(_make(load_settings(home, schedule=schedule), store, thread, clock))
    assert {name: job.when for name, job in jobs.items()} == {
        "check": "every 60 s", "retrain": "0 3 * * 0", "expire": "45 3 * * *",
    }  # fmt: skip


async def test_prune_deletes_old_adapters_with_their_reports_and_runs(
    home: Path, store: Store, thread: StoreThread, clock: FakeClock, caplog: pytest.LogCaptureFixture
) -> None:
    settings = load_settings(home, schedule={"keep_last": 1})
    shelf, paths = AdapterShelf(settings.paths.adapters), settings.paths
    for name in ("a1", "a2", "a3", "a4"):
        with shelf.write(Manifest(id=name, base="tiny", created_at="2026-01-05T12:00:00+00:00")) as folder:
            (folder / "adapter_model.safetensors").touch()
        paths.report(name).folder.mkdir(parents=True)
    shelf.activate("a4")
    with caplog.at_level("INFO", "userbot.daemon"):
        await _jobs(_make(settings, store, thread, clock))["prune"].run()
    assert [manifest.id for manifest in shelf.all()] == ["a3", "a4"]
    assert sorted(path.name for path in paths.reports.iterdir()) == ["a3", "a4"]
    assert caplog.messages == ["the job prune deleted 2 adapters and 0 run folders"]


async def test_backup_goes_to_the_home_folder(home: Path, store: Store, thread: StoreThread, clock: FakeClock) -> None:
    settings = load_settings(home)
    await _jobs(_make(settings, store, thread, clock))["back up"].run()
    assert [path.name for path in settings.paths.backups.iterdir()] == ["clone-20260105-120000.db"]


async def test_started_jobs_are_planned_and_stop_again(
    home: Path, store: Store, thread: StoreThread, clock: FakeClock
) -> None:
    made = _make(load_settings(home), store, thread, clock)
    await made.start()
    assert (home / "schedule.db").is_file()
    await made.stop()


async def test_jobs_are_planned_in_the_zone_of_the_settings(
    home: Path, store: Store, thread: StoreThread, clock: FakeClock
) -> None:
    settings = load_settings(home, schedule={"backup_cron": "0 4 * * *"}, zone="Asia/Kathmandu")
    made = _make(settings, store, thread, clock)
    await made.start()
    planned = {run.name: run.at.astimezone(settings.zone) for run in read_next_runs(settings.paths.schedule)}
    await made.stop()
    assert (planned["back up"].hour, planned["back up"].minute) == (4, 0)


def test_conditions_come_from_the_settings(home: Path) -> None:
    schedule: dict[str, Any] = {"retrain_turns": 50, "hours": "01:00-06:00", "only_on_ac": True, "gpu_free_mb": 9000}
    conditions = make_conditions(load_settings(home, schedule=schedule, zone="Europe/Moscow"))
    assert (conditions.turns, conditions.hours, conditions.only_on_ac) == (50, Hours.parse("01:00-06:00"), True)
    assert (str(conditions.zone), conditions.gpu_free_mb) == ("Europe/Moscow", 9000)


async def test_expiring_follows_the_setting_and_clears_copies(
    home: Path, store: Store, thread: StoreThread, clock: FakeClock, caplog: pytest.LogCaptureFixture
) -> None:
    store.chats.save([Chat(id=101, kind=ChatKind.PRIVATE, title="Vera")])
    store.messages.add([bubble(1, "old", at_s=-86400 * 31), bubble(2, "young")])
    settings = load_settings(home, trust={"keep_days": 30})
    with caplog.at_level("INFO"):
        await _jobs(_make(settings, store, thread, clock))["expire"].run()
    assert [one.text for one in store.messages.window(101, limit=9)] == ["young"]
    assert caplog.messages == ["the job expire deleted 1 message and 0 old files, and updated 0 backups"]
