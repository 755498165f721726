"""What the daemon does by the clock: it looks whether to retrain or roll back, prunes, and backs up."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterator

from userbot.config.settings import Settings
from userbot.daemon.housekeeping import back_up, prune_adapters, prune_reports, prune_runs
from userbot.daemon.schedule import Job, Schedule
from userbot.domain.plural import format_count
from userbot.generator import Generator
from userbot.generator.suspendable import SuspendableGenerator
from userbot.reply.messenger import Messenger
from userbot.retraining.conditions import Conditions
from userbot.retraining.coordinator import Retraining
from userbot.retraining.process import TrainingProcess
from userbot.retraining.rollback import propose_rollback
from userbot.store import Store
from userbot.store.adapters import AdapterShelf
from userbot.store.thread import StoreThread
from userbot.trust.home_copies import update_backups
from userbot.trust.retention import delete_outdated_runs, expire

log = logging.getLogger(__name__)

EXPIRE_CRON = "45 3 * * *"
"""When what is too old is deleted, and backups lose what was deleted or edited since; before the new backup."""


class ScheduledJobs:
    """The scheduled jobs of one daemon.

    Args:
        settings: All of them.
        store: Messages, replies, facts.
        thread: Runs the store's calls.
        shelf: Adapters.
        messenger: Reaches the owner's Saved Messages.
        generator: Writes the replies; a suspendable one makes room on the GPU while a training runs.
        activate_adapter: Makes the daemon write with the active adapter; returns the id that it writes with then.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        store: Store,
        thread: StoreThread,
        shelf: AdapterShelf,
        messenger: Messenger,
        generator: Generator,
        activate_adapter: Callable[[], Awaitable[str | None]],
    ) -> None:
        self._settings = settings
        self._store = store
        self._thread = thread
        self._shelf = shelf
        self._messenger = messenger
        self.retraining = Retraining(
            store=store,
            thread=thread,
            shelf=shelf,
            conditions=make_conditions(settings),
            process=TrainingProcess(settings.home, nice=settings.schedule.nice),
            owner=messenger,
            activate_adapter=activate_adapter,
            suspendable=generator if isinstance(generator, SuspendableGenerator) else None,
        )
        self.schedule = Schedule(settings.paths.schedule, self.list_jobs(), zone=settings.zone)

    async def start(self) -> None:
        """Start the schedule; a training that ended with the last daemon continues when conditions allow."""
        await self.retraining.recover()
        self.schedule.start()

    async def stop(self) -> None:
        """Stop the schedule, and a training in progress; it continues after the next start."""
        await self.schedule.stop()
        await self.retraining.stop()

    def list_jobs(self) -> Iterator[Job]:
        """Yield the jobs that the settings name."""
        schedule = self._settings.schedule
        yield Job(name="check", run=self._check, every_s=schedule.check_s)
        if schedule.retrain_cron:
            yield Job(name="retrain", run=self.retraining.request, cron=schedule.retrain_cron)
        if schedule.prune_cron:
            yield Job(name="prune", run=self._prune, cron=schedule.prune_cron)
        if schedule.backup_cron:
            yield Job(name="back up", run=self._back_up, cron=schedule.backup_cron)
        yield Job(name="expire", run=self._expire, cron=EXPIRE_CRON)

    async def _check(self) -> None:
        proposal = await self._thread.run(
            propose_rollback, self._store, self._shelf, min_replies=self._settings.schedule.watch_replies
        )
        if proposal is not None:
            await self._messenger.notify_owner(proposal)
        await self.retraining.check()

    async def _prune(self) -> None:
        if self.retraining.is_running:
            return
        schedule = self._settings.schedule
        budget = schedule.adapters_mb * 2**20 if schedule.adapters_mb else None
        keep = schedule.keep_last
        adapters = await self._thread.run(prune_adapters, self._shelf, keep_last=keep, budget_bytes=budget)
        kept = {manifest.id for manifest in await self._thread.run(self._shelf.all)}
        paths = self._settings.paths
        runs = await self._thread.run(prune_runs, paths.runs, adapters=kept, keep_last=keep)
        await self._thread.run(prune_reports, paths.reports, adapters=kept)
        if adapters or runs:
            deleted = f"{format_count(len(adapters), 'adapter')} and {format_count(len(runs), 'run folder')}"
            log.info("the job prune deleted %s", deleted)

    async def _back_up(self) -> None:
        folder, now = self._settings.paths.backups, self._store.clock()
        keep = self._settings.schedule.keep_backups
        path = await self._thread.run(back_up, self._settings.paths.database, folder, now=now, keep=keep)
        log.info("the database was backed up to %s", path)

    async def _expire(self) -> None:
        paths, days = self._settings.paths, self._settings.trust.keep_days
        done = await asyncio.to_thread(expire, self._store, paths, keep_days=days)
        runs = await asyncio.to_thread(delete_outdated_runs, self._store, paths.runs)
        updated = await asyncio.to_thread(update_backups, paths.database, paths.backups)
        if done.messages or done.files or runs or updated:
            log.info(
                "the job expire deleted %s and %s, and updated %s",
                format_count(done.messages, "message"),
                format_count(done.files + runs, "old file"),
                format_count(updated, "backup"),
            )


def make_conditions(settings: Settings) -> Conditions:
    """Return the conditions of retraining that the settings name."""
    schedule = settings.schedule
    return Conditions(
        turns=schedule.retrain_turns,
        hours=schedule.hours,
        zone=settings.zone,
        only_on_ac=schedule.only_on_ac,
        only_idle_gpu=schedule.only_idle_gpu,
        gpu_free_mb=schedule.gpu_free_mb,
        continue_from_active=schedule.continue_from_active,
    )
