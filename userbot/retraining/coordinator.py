"""Retraining while the daemon answers: whether a training is requested, whether it may start, and its task."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime

from userbot.domain.plural import format_count
from userbot.retraining.conditions import Conditions, Host, find_obstacle
from userbot.retraining.cycle import Cycle, OwnerChat, Process, Suspendable
from userbot.retraining.state import UNDER_WAY, Phase, StateRecorder
from userbot.store import Store
from userbot.store.adapters import AdapterShelf
from userbot.store.facts import RETRAIN_SEEN_AT, RETRAIN_WISH, TRAINING, RetrainWish
from userbot.store.thread import StoreThread

log = logging.getLogger(__name__)

_LONG_AGO = datetime(1970, 1, 1, tzinfo=UTC)


class Retraining:
    """Retrains when it is requested, or when the owner has written enough, as soon as conditions allow.

    One training runs at a time, in a task of its own.

    Args:
        store: Messages, and the facts on the training.
        thread: Runs the store's calls.
        shelf: Adapters.
        conditions: When and how.
        process: Trains and compares.
        owner: Is told of beginnings and ends.
        activate_adapter: Makes the daemon write with the active adapter; returns the id that it then writes with.
        suspendable: The serving model, which is suspended while training needs its memory; None leaves it loaded.
        host: The machine, for its conditions.
    """

    def __init__(
        self,
        *,
        store: Store,
        thread: StoreThread,
        shelf: AdapterShelf,
        conditions: Conditions,
        process: Process,
        owner: OwnerChat,
        activate_adapter: Callable[[], Awaitable[str | None]],
        suspendable: Suspendable | None = None,
        host: Host | None = None,
    ) -> None:
        self._store = store
        self._thread = thread
        self._shelf = shelf
        self._conditions = conditions
        self._process = process
        self._host = host or Host()
        self._recorder = StateRecorder(store, thread, find_pid=lambda: process.pid)
        self._cycle = Cycle(
            store=store,
            thread=thread,
            shelf=shelf,
            conditions=conditions,
            process=process,
            owner=owner,
            recorder=self._recorder,
            activate_adapter=activate_adapter,
            read_gpu_load=self._host.read_gpu_load,
            suspendable=suspendable,
        )
        self._deciding = asyncio.Lock()  # two jobs may come at once, and only one training may come of it
        self._task: asyncio.Task[None] | None = None

    @property
    def is_running(self) -> bool:
        """Tell whether a training or its comparison is under way."""
        return self._task is not None and not self._task.done()

    async def recover(self) -> None:
        """After a start: if the last training died with the daemon, request that it continues."""
        last = await self._thread.run(self._store.facts.get, TRAINING)
        if last is not None and last.state in UNDER_WAY:
            log.warning("last training was interrupted; it continues when conditions allow")
            if last.pid is not None:
                await asyncio.to_thread(self._process.end_orphan, last.pid)
            await self._thread.run(self._store.facts.set, TRAINING, replace(last, state=Phase.INTERRUPTED))
            await self._save_wish(RetrainWish(reason="the last one was interrupted", resume=True))

    async def request(self, reason: str = "it is time") -> None:
        """Request a training; it starts now or when conditions allow.

        Args:
            reason: Why, as the owner is told.
        """
        async with self._deciding:
            if not self.is_running:
                await self._save_wish(RetrainWish(reason=reason))
                await self._start_if_allowed()

    async def check(self) -> None:
        """Start a training if one is requested, or enough is new, and conditions allow."""
        async with self._deciding:
            await self._start_if_allowed()

    async def start_now(self) -> str:
        """Start a training whatever the conditions, because the owner says so; return what to tell them."""
        if self.is_running:
            return "A training is under way already. `/clone status` shows how far it is."
        self._start("you asked for it", resume=False)
        return "Training begins. You hear here how it ends; `/clone status` shows how far it is."

    async def cancel(self) -> str:
        """Stop the training that is under way; return what to tell the owner."""
        if not self.is_running:
            return "No training is under way."
        await self.stop()
        await self._recorder.save(state=Phase.CANCELLED, text="you stopped it")
        return "The training was cancelled. The active adapter stays."

    async def stop(self) -> None:
        """Stop the training's process, because the daemon ends; its state stays, so that `recover` finds it."""
        if self._task is not None:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task
            self._task = None

    async def wait(self) -> None:
        """Wait until nothing is under way."""
        if self._task is not None:
            await asyncio.wait([self._task])

    async def _start_if_allowed(self) -> None:
        wish = None if self.is_running else await self._thread.run(self._find_wish)
        if wish is None:
            return
        obstacle = await asyncio.to_thread(find_obstacle, self._conditions, self._host, self._store.clock())
        if obstacle is not None:
            await self._save_wish(replace(wish, waits=obstacle))
        elif not self.is_running:  # the owner may have started one meanwhile
            self._start(wish.reason, resume=wish.resume)

    def _start(self, reason: str, *, resume: bool) -> None:
        self._task = asyncio.create_task(self._run(reason, resume=resume), name="retraining")

    async def _run(self, reason: str, *, resume: bool) -> None:
        started_at = self._store.clock()
        # Whatever comes of it, the same messages don't start the next one: a training that fails would never end.
        await self._save_wish(None)
        await self._thread.run(self._store.facts.set, RETRAIN_SEEN_AT, started_at)
        await self._cycle.run(reason, resume=resume, now=started_at)

    async def _save_wish(self, wish: RetrainWish | None) -> None:
        await self._thread.run(self._store.facts.set, RETRAIN_WISH, wish)

    def _find_wish(self) -> RetrainWish | None:
        """Return what was requested, else a wish of our own where enough turns are new."""
        wish = self._store.facts.get(RETRAIN_WISH)
        if wish is not None or self._conditions.turns is None:
            return wish
        since = self._store.facts.get(RETRAIN_SEEN_AT) or self._find_last_training()
        turns = self._store.messages.count_new_turns(since)
        return RetrainWish(reason=format_count(turns, "new turn of yours")) if turns >= self._conditions.turns else None

    def _find_last_training(self) -> datetime:
        """Return when the newest adapter was made, for homes whose last training the daemon has not started."""
        times = [datetime.fromisoformat(manifest.created_at) for manifest in self._shelf.all()]
        return max(times, default=_LONG_AGO)
