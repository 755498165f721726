"""Retraining while the daemon answers: wish, conditions, training, gate, promotion; in processes of their own."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Protocol

from userbot.domain.errors import AdapterError, ExitCode, TelegramError
from userbot.domain.plural import format_count
from userbot.retraining.conditions import Conditions, Host, find_obstacle
from userbot.retraining.process import Ended
from userbot.retraining.state import UNDER_WAY
from userbot.store import Store
from userbot.store.adapters import AdapterShelf
from userbot.store.facts import RETRAIN_SEEN_AT, RETRAIN_WISH, TRAINING, RetrainWish, TrainingState
from userbot.store.thread import StoreThread

log = logging.getLogger(__name__)

# With WORSE, held-out loss is higher; by how much, and whether that matters, is the gate's business.
_READY = (ExitCode.DONE, ExitCode.WORSE)
_SAVE_S = 2.0
_LONG_AGO = datetime(1970, 1, 1, tzinfo=UTC)


class Owner(Protocol):
    """Where news go: the owner's Saved Messages."""

    async def notify_owner(self, text: str) -> None:
        """Write to the owner."""
        ...

    async def send_picture_to_owner(self, picture: Path, caption: str) -> None:
        """Send the owner a picture."""
        ...


class Process(Protocol):
    """Starts training and the gate; `userbot.retraining.process.TrainingProcess` is one."""

    @property
    def pid(self) -> int | None:
        """Return the id of the process that runs now."""
        ...

    def end_orphan(self, pid: int) -> bool:
        """Kill a process that has outlived its daemon; return whether there was one."""
        ...

    async def train(self, parent: str | None, *, resume: bool, on_event: Callable[[dict[str, Any]], None]) -> Ended:
        """Train; return how it ended."""
        ...

    async def compare(
        self, candidate: str, current: str | None, *, on_event: Callable[[dict[str, Any]], None]
    ) -> Ended:
        """Hold a new adapter against the one in service; return how it ended."""
        ...


class Suspendable(Protocol):
    """Makes suspendable on the GPU; `userbot.generator.suspendable.SuspendableGenerator` is one."""

    async def suspend(self) -> None:
        """Release the model; answers wait from now on."""
        ...

    async def resume(self) -> None:
        """Load the model again, with the adapter that is in service now."""
        ...


class Retraining:
    """Retrains when it is time.

    A crash, a failure or a cancellation at any point leaves the adapter in service as it is.

    Args:
        store: Messages, and the facts on the training.
        thread: Runs the store's calls.
        shelf: Adapters.
        conditions: When and how.
        process: Trains and compares.
        owner: Hears of beginnings and ends.
        swap: Makes the daemon write with the adapter that is in service now; returns the id it then writes with.
        suspendable: Releases the model that serves while training needs its memory; None leaves it serving.
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
        owner: Owner,
        activate_adapter: Callable[[], Awaitable[str | None]],
        suspendable: Suspendable | None = None,
        host: Host | None = None,
    ) -> None:
        self._store = store
        self._thread = thread
        self._shelf = shelf
        self._conditions = conditions
        self._process = process
        self._owner = owner
        self._activate_adapter = activate_adapter
        self._suspendable = suspendable
        self._host = host or Host()
        self._deciding = asyncio.Lock()  # two jobs may come at once, and only one training may come of it
        self._task: asyncio.Task[None] | None = None
        self._state = TrainingState(state="none")
        self._saved_at = _LONG_AGO
        self._saving: asyncio.Future[None] | None = None

    @property
    def is_running(self) -> bool:
        """Tell whether a training or its gate is under way."""
        return self._task is not None and not self._task.done()

    async def recover(self) -> None:
        """After a start: if the last training died with the daemon, go on with it when conditions allow."""
        last = await self._thread.run(self._store.facts.get, TRAINING)
        if last is not None and last.state in UNDER_WAY:
            log.warning("the last training was interrupted; it continues when conditions allow")
            if last.pid is not None:
                await asyncio.to_thread(self._process.end_orphan, last.pid)
            await self._thread.run(self._store.facts.set, TRAINING, replace(last, state="interrupted"))
            await self._wish(RetrainWish(reason="the last one was interrupted", resume=True))

    async def want(self, reason: str = "it is time") -> None:
        """Wish for a training; it starts now or when conditions allow."""
        async with self._deciding:
            if not self.is_running:
                await self._wish(RetrainWish(reason=reason))
                await self._decide()

    async def check(self) -> None:
        """Start a training if one is wished for, or enough is new, and conditions allow."""
        async with self._deciding:
            await self._decide()

    async def _decide(self) -> None:
        wish = None if self.is_running else await self._thread.run(self._find_wish)
        if wish is None:
            return
        obstacle = await asyncio.to_thread(find_obstacle, self._conditions, self._host, self._store.clock())
        if obstacle is not None:
            await self._wish(replace(wish, waits=obstacle))
            return
        self.start(wish.reason, resume=wish.resume)

    async def order(self) -> str:
        """Start now, whatever the hour, because the owner says so; return what to tell him."""
        if self.is_running:
            return "A training is under way already. `/clone status` shows how far it is."
        self.start("you asked for it")
        return "Training begins. You hear here how it ends; `/clone status` shows how far it is."

    async def cancel(self) -> str:
        """Stop the training that is under way; return what to tell the owner."""
        if not self.is_running:
            return "No training is under way."
        await self.stop()
        await self._show(state="cancelled", text="cancelled by you")
        return "The training was cancelled. The adapter in service stays."

    async def stop(self) -> None:
        """Stop the training's process, because the daemon ends."""
        if self._task is not None:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task
            self._task = None

    def start(self, reason: str, *, resume: bool = False) -> None:
        """Start a training in a task of its own, unless one is under way."""
        if self.is_running:
            return
        self._task = asyncio.create_task(self._run(reason, resume=resume), name="retraining")

    async def wait(self) -> None:
        """Wait until nothing is under way."""
        if self._task is not None:
            await asyncio.wait([self._task])

    async def _wish(self, wish: RetrainWish | None) -> None:
        await self._thread.run(self._store.facts.set, RETRAIN_WISH, wish)

    def _find_wish(self) -> RetrainWish | None:
        wish = self._store.facts.get(RETRAIN_WISH)
        if wish is not None or self._conditions.turns is None:
            return wish
        since = self._store.facts.get(RETRAIN_SEEN_AT) or self._find_last_training()
        new = self._store.messages.count_new_turns(since)
        return RetrainWish(reason=format_count(new, "new turn of yours")) if new >= self._conditions.turns else None

    def _find_last_training(self) -> datetime:
        made = [datetime.fromisoformat(manifest.created_at) for manifest in self._shelf.all()]
        return max(made, default=_LONG_AGO)

    async def _run(self, reason: str, *, resume: bool) -> None:
        started = self._store.clock()
        # Whatever comes of it, the same messages don't start the next one: a training that fails would never end.
        await self._wish(None)
        await self._thread.run(self._store.facts.set, RETRAIN_SEEN_AT, started)
        self._state = TrainingState(state="training", reason=reason, started_at=started)
        await self._show()
        await self._tell(f"Training a new adapter, because: {reason}.")
        try:
            current = await self._thread.run(self._shelf.active)
            ended = await self._learn(current.id if current else None, resume=resume)
            if ended.code == ExitCode.WORSE:
                await self._finish("refused", ended)
            elif ended.code != ExitCode.DONE:
                await self._fail(_tell_cause(ended))
            elif await self._activate(str(self._state.adapter_id)):
                await self._finish("promoted", ended)
        except Exception as exc:
            log.exception("retraining failed")
            await self._fail(f"{type(exc).__name__} in the daemon; its log says more")

    async def _learn(self, current: str | None, *, resume: bool) -> Ended:
        """Train and compare, with suspendable on the GPU; return how the gate ended, or what went wrong before it."""
        rests = await self._make_room()
        try:
            parent = current if self._conditions.continue_from_active else None
            ended = await self._process.train(parent, resume=resume, on_event=self._handle_event)
            candidate = ended.values.get("adapter_id")
            if ended.code not in _READY or candidate is None:
                # Ready without an adapter is no success, and no refusal either.
                return Ended(ExitCode.FAILED if ended.code in _READY else ended.code, ended.values)
            await self._show(state="judging", adapter_id=candidate)
            return await self._process.compare(str(candidate), current, on_event=self._handle_event)
        finally:
            if rests and self._suspendable is not None:
                await self._suspendable.resume()

    async def _make_room(self) -> bool:
        needed = self._conditions.gpu_free_mb
        load = (
            await asyncio.to_thread(self._host.read_gpu_load)
            if self._suspendable is not None and needed is not None
            else None
        )
        if self._suspendable is None or needed is None or load is None or load.free_mb >= needed:
            return False
        await self._tell(
            f"The GPU has {load.free_mb} MiB free and training needs {needed}: answers wait until it is over."
        )
        await self._show(text="answers wait until it is over")
        await self._suspendable.suspend()
        return True

    async def _activate(self, candidate: str) -> bool:
        """Put the adapter in service; where the daemon can't write with it, take that back."""
        await self._thread.run(self._shelf.activate, candidate)
        if await self._activate_adapter() == candidate:
            return True
        with suppress(AdapterError):
            await self._thread.run(self._shelf.roll_back)
        await self._activate_adapter()
        await self._fail(f"the model can't load {candidate}; the adapter before it stays in service")
        return False

    async def _finish(self, state: str, ended: Ended) -> None:
        text = str(ended.values.get("summary", ""))
        await self._show(state=state, text=text, report=ended.values.get("report"))
        name = self._state.adapter_id
        told = f"Adapter {name} is now in service." if state == "promoted" else f"Adapter {name} was kept out."
        told += f" {text}\nReport: {ended.values.get('report')}"
        picture = ended.values.get("picture")
        if picture is None:
            await self._tell(told)
            return
        try:
            await self._owner.send_picture_to_owner(Path(picture), told)
        except TelegramError as exc:
            log.warning("the summary can't be sent: %s", exc)

    async def _fail(self, text: str) -> None:
        await self._show(state="failed", text=text)
        await self._tell(f"Training failed, the adapter in service stays: {text}")

    def _handle_event(self, event: dict[str, Any]) -> None:
        """Take an event of the process; what changes is saved now and then, as steps may be many a second."""
        wanted = ("step", "total", "loss", "eta_s", "answered", "prompts")
        self._state = replace(self._state, **{key: event[key] for key in wanted if event.get(key) is not None})
        now = self._store.clock()
        if (now - self._saved_at).total_seconds() >= _SAVE_S:
            self._saved_at = now
            shown = replace(self._state, pid=self._process.pid)
            # The thread keeps the order of writes, so nobody needs to wait for this one.
            self._saving = asyncio.ensure_future(self._thread.run(self._store.facts.set, TRAINING, shown))

    async def _show(self, **values: Any) -> None:
        self._state = replace(self._state, **values)
        await self._thread.run(self._store.facts.set, TRAINING, self._state)

    async def _tell(self, text: str) -> None:
        try:
            await self._owner.notify_owner(text)
        except TelegramError as exc:
            log.warning("the owner can't be told: %s", exc)


def _tell_cause(ended: Ended) -> str:
    # The last words of a process that was killed are some note.
    said = ended.values.get("text") if ended.values.get("event") == "error" else None
    return str(said or f"the process ended with code {ended.code}")
