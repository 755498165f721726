"""The state of the training under way, waiting, or last: written to the store, and as a line of `clone status`."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from enum import StrEnum
from typing import Any

from training.events import Answered, Event, Stepped
from userbot.store import Store
from userbot.store.facts import RETRAIN_WISH, TRAINING, TrainingState
from userbot.store.thread import StoreThread

SAVE_INTERVAL_S = 2.0


class Phase(StrEnum):
    """How far a training is, or how it ended; the values are those of the store."""

    NONE = "none"
    TRAINING = "training"
    COMPARING = "judging"
    ACTIVATED = "promoted"
    REFUSED = "refused"
    FAILED = "failed"
    CANCELLED = "cancelled"
    INTERRUPTED = "interrupted"


UNDER_WAY = (Phase.TRAINING, Phase.COMPARING)


class StateRecorder:
    """Keeps the state of a training, and saves it for `clone status` and for the next start of the daemon.

    Args:
        store: Its facts hold the state.
        thread: Runs the store's calls.
        find_pid: Returns the id of the training's process.
    """

    def __init__(self, store: Store, thread: StoreThread, *, find_pid: Callable[[], int | None]) -> None:
        self._store = store
        self._thread = thread
        self._find_pid = find_pid
        self._saved_at: datetime | None = None
        self._saving: asyncio.Future[None] | None = None
        self.state = TrainingState(state=Phase.NONE)

    async def begin(self, reason: str, *, now: datetime) -> None:
        """Save the state of a training that starts now, and forget the last one."""
        self.state = TrainingState(state=Phase.TRAINING, reason=reason, started_at=now)
        self._saved_at = None
        await self.save()

    async def save(self, **changes: Any) -> None:
        """Save the state.

        Args:
            changes: Values of `TrainingState` that are different from now on.
        """
        self.state = replace(self.state, **changes)
        await self._start_saving()

    def handle_event(self, event: Event) -> None:
        """Take in an event of the process.

        It is saved every `SAVE_INTERVAL_S` at most, as there may be many updates per second.
        """
        figures: dict[str, Any]
        match event:
            case Stepped():
                figures = {"step": event.step, "total": event.total, "loss": event.loss, "eta_s": event.eta_s}
            case Answered():
                figures = {"answered": event.answered, "prompts": event.prompts}
            case _:
                return
        self.state = replace(self.state, **{name: value for name, value in figures.items() if value is not None})
        now = self._store.clock()
        if self._saved_at is None or (now - self._saved_at).total_seconds() >= SAVE_INTERVAL_S:
            self._saved_at = now
            # The thread keeps the order of writes, so nobody needs to wait for this one.
            self._saving = self._start_saving()

    def _start_saving(self) -> asyncio.Future[None]:
        return self._thread.start(self._store.facts.set, TRAINING, replace(self.state, pid=self._find_pid()))


def describe_training(store: Store) -> str | None:
    """Describe the training that waits, is under way or was the last.

    Args:
        store: Its facts hold the state.

    Returns:
        A line for the owner; None where there was no training.
    """
    wish, last = store.facts.get(RETRAIN_WISH), store.facts.get(TRAINING)
    if wish is not None and (last is None or last.state not in UNDER_WAY):
        return f"Training waits ({wish.reason})" + (f": {wish.waits}" if wish.waits else "")
    if last is None:
        return None
    if last.state == Phase.TRAINING:
        if not last.total:
            return "Training: starting"
        loss = f", loss {last.loss:.3f} nats per token" if last.loss is not None else ""
        left = f", {last.eta_s / 60:.0f} min left" if last.eta_s else ""
        return f"Training: update {last.step} of {last.total}{loss}{left}"
    if last.state == Phase.COMPARING:
        return f"Training: comparing adapter {last.adapter_id} with the active one"
    name = "activated" if last.state == Phase.ACTIVATED else last.state
    return f"Training: {name}" + (f": {last.text}" if last.text else "")
