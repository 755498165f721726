"""One cycle of retraining: train an adapter, compare it with the active one, activate it if it passes."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Protocol

from training.events import Judged
from userbot.domain.errors import AdapterError, ExitCode, TelegramError
from userbot.retraining.conditions import Conditions
from userbot.retraining.host import GpuLoad
from userbot.retraining.process import READY_CODES, Ended, EventHandler
from userbot.retraining.state import Phase, StateRecorder
from userbot.store import Store
from userbot.store.adapters import AdapterShelf, Manifest
from userbot.store.thread import StoreThread
from userbot.trust.stale_adapters import activate_adapter

log = logging.getLogger(__name__)


class OwnerChat(Protocol):
    """The owner's Saved Messages."""

    async def notify_owner(self, text: str) -> int | None:
        """Write to the owner.

        Raises:
            TelegramError: They can't be reached.
        """
        ...

    async def send_picture_to_owner(self, picture: Path, caption: str) -> None:
        """Send a picture to the owner.

        Raises:
            TelegramError: They can't be reached.
        """
        ...


class Process(Protocol):
    """Trains and compares, one at a time; `userbot.retraining.process.TrainingProcess` is one."""

    @property
    def pid(self) -> int | None:
        """Return the id of the process that runs now."""
        ...

    def end_orphan(self, pid: int) -> bool:
        """Kill a process that has outlived its daemon; return whether there was one."""
        ...

    async def train(self, parent: str | None, *, resume: bool, on_event: EventHandler) -> Ended:
        """Train, afresh or from a parent, or continue the interrupted run; return how it ended."""
        ...

    async def compare(self, candidate: str, active: str | None, *, on_event: EventHandler) -> Ended:
        """Compare a new adapter with the active one, or with the bare base; return how it ended."""
        ...


class Suspendable(Protocol):
    """A model that can release its memory; `userbot.generator.suspendable.SuspendableGenerator` is one."""

    async def suspend(self) -> None:
        """Release the model; answers wait from now on."""
        ...

    async def resume(self) -> None:
        """Load the model again, with the adapter that is active then."""
        ...


class Cycle:
    """Runs a training, the comparison and the activation.

    A crash, a failure or a cancellation at any point leaves the active adapter as it is.

    Args:
        store: Knows the consents.
        thread: Runs the calls of store and shelf.
        shelf: Adapters.
        conditions: Where training continues from, and how much memory it needs.
        process: Trains and compares.
        owner: Is told of beginnings and ends.
        recorder: Keeps the state.
        activate_adapter: Makes the daemon write with the active adapter; returns the id that it then writes with.
        read_gpu_load: Tells how much memory the GPU has left.
        suspendable: The serving model, which is suspended while training needs its memory; None leaves it loaded.
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
        recorder: StateRecorder,
        activate_adapter: Callable[[], Awaitable[str | None]],
        read_gpu_load: Callable[[], GpuLoad | None],
        suspendable: Suspendable | None = None,
    ) -> None:
        self._store = store
        self._thread = thread
        self._shelf = shelf
        self._conditions = conditions
        self._process = process
        self._owner = owner
        self._recorder = recorder
        self._activate_adapter = activate_adapter
        self._read_gpu_load = read_gpu_load
        self._suspendable = suspendable

    async def run(self, reason: str, *, resume: bool, now: datetime) -> None:
        """Run to the end, whatever that is, and tell the owner.

        Args:
            reason: Why, as the owner is told.
            resume: Continue the interrupted run where there is one.
            now: When it started, aware.
        """
        await self._recorder.begin(reason, now=now)
        await self._notify(f"Training a new adapter, because: {reason}.")
        try:
            active = await self._thread.run(self._find_clean)
            ended = await self._train_and_compare(active.id if active else None, resume=resume)
            await self._conclude(ended)
        except Exception as exc:
            log.exception("retraining failed")
            await self._fail(f"{type(exc).__name__} in the daemon; its log says more")

    async def _train_and_compare(self, active: str | None, *, resume: bool) -> Ended:
        """Return how the comparison ended, or what went wrong before it; the model is suspended where it must be."""
        suspended = await self._suspend_if_needed()
        try:
            parent = active if self._conditions.continue_from_active else None
            ended = await self._process.train(parent, resume=resume, on_event=self._recorder.handle_event)
            if ended.code not in READY_CODES:
                return ended
            if ended.finished is None:
                # Ready without an adapter is no success, and no refusal either.
                return replace(ended, code=ExitCode.FAILED)
            candidate = ended.finished.adapter_id
            await self._recorder.save(state=Phase.COMPARING, adapter_id=candidate)
            return await self._process.compare(candidate, active, on_event=self._recorder.handle_event)
        finally:
            if suspended is not None:
                await suspended.resume()

    def _find_clean(self) -> Manifest | None:
        """Return the active adapter to continue from and compare with; None where it is stale, or there is none."""
        active = self._shelf.active()
        return None if active is None or self._store.consents.find_withdrawn(active.data) else active

    async def _suspend_if_needed(self) -> Suspendable | None:
        """Suspend the serving model where the GPU is too small for both; return it, or None if it stays loaded."""
        model, needed_mb = self._suspendable, self._conditions.gpu_free_mb
        if model is None or needed_mb is None:
            return None
        load = await asyncio.to_thread(self._read_gpu_load)
        if load is None or load.free_mb >= needed_mb:
            return None
        await self._notify(
            f"The GPU has {load.free_mb} MiB free and training needs {needed_mb}: answers wait until it is over."
        )
        await self._recorder.save(text="answers wait until it is over")
        await model.suspend()
        return model

    async def _conclude(self, ended: Ended) -> None:
        candidate = str(self._recorder.state.adapter_id)
        if ended.code not in READY_CODES:
            cause = ended.failed.text if ended.failed else f"the process ended with code {ended.code}"
            await self._fail(cause)
        elif ended.code == ExitCode.WORSE:
            await self._finish(Phase.REFUSED, f"Adapter {candidate} was not activated.", ended.judged)
        elif await self._activate(candidate):
            await self._finish(Phase.ACTIVATED, f"Adapter {candidate} is now active.", ended.judged)

    async def _activate(self, candidate: str) -> bool:
        """Activate the adapter; where the daemon can't write with it, roll back and return False."""
        await self._thread.run(activate_adapter, self._store, self._shelf, candidate)
        if await self._activate_adapter() == candidate:
            return True
        with suppress(AdapterError):
            await self._thread.run(self._shelf.roll_back)
        await self._activate_adapter()
        await self._fail(f"the model can't load {candidate}; the adapter before it is active again")
        return False

    async def _finish(self, phase: Phase, outcome: str, judged: Judged | None) -> None:
        judged = judged or Judged(passed=phase is Phase.ACTIVATED)
        await self._recorder.save(state=phase, text=judged.summary, report=judged.report)
        text = f"{outcome} {judged.summary}\nReport: {judged.report}"
        if judged.picture is None:
            await self._notify(text)
            return
        try:
            await self._owner.send_picture_to_owner(Path(judged.picture), text)
        except TelegramError as exc:
            log.warning("summary of the comparison can't be sent: %s", exc)

    async def _fail(self, text: str) -> None:
        await self._recorder.save(state=Phase.FAILED, text=text)
        await self._notify(f"Training failed, the active adapter stays: {text}")

    async def _notify(self, text: str) -> None:
        try:
            await self._owner.notify_owner(text)
        except TelegramError as exc:
            log.warning("owner can't be notified: %s", exc)
