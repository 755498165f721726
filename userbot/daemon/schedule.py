"""The daemon's schedule: jobs whose times survive restarts, and what `clone schedule` shows of them."""

from __future__ import annotations

import asyncio
import logging
import sqlite3
from collections.abc import Awaitable, Callable, Iterable
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo
from pathlib import Path
from typing import Any

from apscheduler.jobstores.sqlalchemy import SQLAlchemyJobStore
from apscheduler.schedulers.asyncio import AsyncIOScheduler
from apscheduler.triggers.interval import IntervalTrigger

from userbot.config.cron import read_cron
from userbot.domain.errors import CloneError

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """Something to do at certain times.

    Args:
        name: Unique; also what the owner sees.
        run: Does it. Should return soon: longer work goes into a task of its own.
        cron: When, as a cron expression.
        every_s: Seconds between two runs; used where there is no cron expression.
    """

    name: str
    run: Callable[[], Awaitable[object]]
    cron: str | None = None
    every_s: float = 0.0

    @property
    def when(self) -> str:
        """Return the job's times as text."""
        return self.cron or f"every {self.every_s:g} s"


@dataclass(frozen=True, slots=True)
class NextRun:
    """When a job runs next.

    Args:
        name: The job's.
        at: Aware time, UTC.
    """

    name: str
    at: datetime


_LIVE: dict[str, dict[str, Job]] = {}
"""Jobs of running schedules by file: a stored job can name a function of a module only, not an object in memory."""


class Schedule:
    """Runs jobs by the clock. Runs that were missed, however many, are made up for once.

    The times are kept in a file of their own beside the database: APScheduler makes its own table, which is not part of
    our migrations, and a schedule needs no backup.

    Args:
        file: `<home>/schedule.db`.
        jobs: All jobs; stored ones that are not among them are forgotten.
        zone: Time zone of cron expressions; None is the machine's.
    """

    def __init__(self, file: Path, jobs: Iterable[Job], *, zone: tzinfo | None = None) -> None:
        self._file = file
        self._jobs = {job.name: job for job in jobs}
        self._zone = zone
        self._scheduler: AsyncIOScheduler | None = None

    def start(self) -> None:
        """Start, on the running event loop; a job whose times were changed since the last start is planned again."""
        self._file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        _remove_damaged(self._file)
        self._file.touch(mode=0o600)
        _LIVE[str(self._file)] = self._jobs
        options: dict[str, Any] = {} if self._zone is None else {"timezone": self._zone}
        scheduler = AsyncIOScheduler(
            jobstores={"default": SQLAlchemyJobStore(url=f"sqlite:///{self._file}")},
            job_defaults={"coalesce": True, "misfire_grace_time": None, "max_instances": 1},
            **options,
        )
        # Paused first: a stored job that is no longer configured must not run meanwhile.
        scheduler.start(paused=True)
        stored = {entry.id: entry.args for entry in scheduler.get_jobs()}
        for name in stored.keys() - self._jobs.keys():
            scheduler.remove_job(name)
        for job in self._jobs.values():
            args = (str(self._file), job.name, job.when)
            if stored.get(job.name) != args:
                trigger = (
                    read_cron(job.cron, self._zone) if job.cron else IntervalTrigger(seconds=job.every_s, **options)
                )
                scheduler.add_job(run_job, trigger, args=args, id=job.name, replace_existing=True)
        scheduler.resume()
        self._scheduler = scheduler

    async def stop(self) -> None:
        """Stop planning; jobs that are running are neither stopped nor awaited."""
        if self._scheduler is not None:
            self._scheduler.shutdown(wait=False)
            self._scheduler = None
            _LIVE.pop(str(self._file), None)
            await asyncio.sleep(0)  # the scheduler closes its file in the loop's next round

    def run_due(self) -> None:
        """Run the jobs that are due now, such as after the clock was set."""
        if self._scheduler is not None:
            self._scheduler.wakeup()


async def run_job(file: str, name: str, _when: str) -> None:
    """Run a job of a running schedule; called by APScheduler. A failure is logged, and the next run comes all the same.

    Args:
        file: The schedule's file.
        name: The job's.
        _when: Its times, stored with the job so that a change of them is noticed.
    """
    job = _LIVE.get(file, {}).get(name)
    if job is None:
        return
    try:
        await job.run()
    except CloneError as exc:
        log.warning("scheduled job %s failed: %s", name, exc)
    except Exception:
        log.exception("scheduled job %s failed", name)


def read_next_runs(file: Path) -> list[NextRun]:
    """Read from any process when jobs run next, soonest first; nothing where no daemon has run yet."""
    if not file.is_file():
        return []
    with closing(sqlite3.connect(f"{file.absolute().as_uri()}?mode=ro", uri=True)) as connection:
        try:
            rows = connection.execute(
                "SELECT id, next_run_time FROM apscheduler_jobs WHERE next_run_time IS NOT NULL ORDER BY next_run_time"
            ).fetchall()
        except sqlite3.DatabaseError:  # made and not filled yet, or damaged: the next start makes it again
            return []
    return [NextRun(name, datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=at)) for name, at in rows]


def _remove_damaged(file: Path) -> None:
    if not file.is_file():
        return
    try:
        with closing(sqlite3.connect(file)) as connection:
            sound = connection.execute("PRAGMA quick_check(1)").fetchone() == ("ok",)
    except sqlite3.OperationalError:  # busy
        return
    except sqlite3.DatabaseError:
        sound = False
    if not sound:
        log.warning("the schedule %s is damaged, so all jobs are planned again", file)
        file.unlink()
