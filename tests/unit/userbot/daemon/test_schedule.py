"""The schedule: jobs fire on time, survive restarts, and make up for missed runs once."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, timedelta
from pathlib import Path

import pytest
from fakes import START, FakeClock
from timing import clocked_datetime

from userbot.daemon.schedule import Job, Schedule, read_next_runs
from userbot.domain.errors import StoreError

DAY_S = 86_400.0


@pytest.fixture(autouse=True)
def _injected_clock(monkeypatch: pytest.MonkeyPatch, clock: FakeClock) -> None:
    for module in ("apscheduler.schedulers.base", "apscheduler.triggers.interval"):
        monkeypatch.setattr(f"{module}.datetime", clocked_datetime(clock))


class Calls:
    """A job that counts its runs."""

    def __init__(self) -> None:
        self.count = 0

    async def __call__(self) -> None:
        self.count += 1


@asynccontextmanager
async def running(file: Path, *jobs: Job) -> AsyncIterator[Schedule]:
    schedule = Schedule(file, jobs, zone=UTC)
    schedule.start()
    try:
        await settle()
        yield schedule
    finally:
        await schedule.stop()


async def settle() -> None:
    """Let the loop do what is ready."""
    for _ in range(5):
        await asyncio.sleep(0)


async def test_a_cron_job_fires_at_its_time(tmp_path: Path, clock: FakeClock) -> None:
    calls = Calls()
    async with running(tmp_path / "schedule.db", Job(name="back up", run=calls, cron="0 4 * * *")) as schedule:
        clock.advance(15 * 3600)
        schedule.run_due()
        await settle()
        assert calls.count == 0

        clock.advance(3600)
        schedule.run_due()
        await settle()
        assert calls.count == 1


async def test_a_restart_keeps_the_next_run(tmp_path: Path, clock: FakeClock) -> None:
    job = Job(name="check", run=Calls(), every_s=3600)
    async with running(tmp_path / "schedule.db", job):
        before = read_next_runs(tmp_path / "schedule.db")
    clock.advance(1800)

    async with running(tmp_path / "schedule.db", job):
        after = read_next_runs(tmp_path / "schedule.db")

    assert [run.at for run in before] == [START + timedelta(hours=1)]
    assert after == before


async def test_missed_runs_are_made_up_for_once(tmp_path: Path, clock: FakeClock) -> None:
    calls = Calls()
    job = Job(name="back up", run=calls, cron="0 4 * * *")
    async with running(tmp_path / "schedule.db", job):
        pass
    clock.advance(5 * DAY_S)

    async with running(tmp_path / "schedule.db", job):
        assert calls.count == 1
        assert [run.at for run in read_next_runs(tmp_path / "schedule.db")] == [START + timedelta(days=5, hours=16)]


async def test_changed_times_replace_the_stored_ones(tmp_path: Path) -> None:
    async with running(tmp_path / "schedule.db", Job(name="back up", run=Calls(), cron="0 4 * * *")):
        pass

    async with running(tmp_path / "schedule.db", Job(name="back up", run=Calls(), cron="0 5 * * *")):
        assert [run.at.hour for run in read_next_runs(tmp_path / "schedule.db")] == [5]


async def test_a_job_that_is_configured_away_does_not_run_again(tmp_path: Path, clock: FakeClock) -> None:
    gone = Calls()
    async with running(
        tmp_path / "schedule.db", Job(name="old", run=gone, every_s=60), Job(name="new", run=Calls(), every_s=60)
    ):
        pass
    clock.advance(DAY_S)

    async with running(tmp_path / "schedule.db", Job(name="new", run=Calls(), every_s=60)):
        assert gone.count == 0
        assert [run.name for run in read_next_runs(tmp_path / "schedule.db")] == ["new"]


@pytest.mark.parametrize(
    ("failure", "logged"),
    [
        (StoreError("the disk is full"), "scheduled job check failed: the disk is full"),
        (RuntimeError("a mistake"), "scheduled job check failed"),
    ],
)
async def test_a_failing_job_is_logged_and_comes_again(
    failure: Exception, logged: str, tmp_path: Path, clock: FakeClock, caplog: pytest.LogCaptureFixture
) -> None:
    tries = 0

    async def fail() -> None:
        nonlocal tries
        tries += 1
        raise failure

    with caplog.at_level(logging.WARNING, logger="userbot.daemon.schedule"):
        async with running(tmp_path / "schedule.db", Job(name="check", run=fail, every_s=60)) as schedule:
            for _ in range(2):
                clock.advance(60)
                schedule.run_due()
                await settle()

    assert tries == 2
    assert [record.getMessage() for record in caplog.records] == [logged] * 2


async def test_the_file_is_for_the_owner_only(tmp_path: Path) -> None:
    async with running(tmp_path / "schedule.db", Job(name="check", run=Calls(), every_s=60)):
        assert (tmp_path / "schedule.db").stat().st_mode & 0o777 == 0o600


def test_before_the_first_start_nothing_is_planned(tmp_path: Path) -> None:
    assert read_next_runs(tmp_path / "schedule.db") == []


@pytest.mark.parametrize("damage", [b"no database" * 500, b"SQLite format 3\0" + b"\xff" * 5000])
async def test_a_damaged_file_is_made_anew(tmp_path: Path, damage: bytes) -> None:
    (tmp_path / "schedule.db").write_bytes(damage)
    assert read_next_runs(tmp_path / "schedule.db") == []
    async with running(tmp_path / "schedule.db", Job(name="check", run=Calls(), every_s=60)):
        assert [run.name for run in read_next_runs(tmp_path / "schedule.db")] == ["check"]
        assert (tmp_path / "schedule.db").stat().st_mode & 0o777 == 0o600
