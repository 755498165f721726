"""Fakes of what surrounds retraining: the training process, the owner's chat, the serving model, the machine."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

from training.events import Finished, Judged, Stepped
from userbot.domain.errors import OfflineError
from userbot.retraining.conditions import Conditions, Host
from userbot.retraining.coordinator import Retraining
from userbot.retraining.cycle import Cycle
from userbot.retraining.host import GpuLoad
from userbot.retraining.process import READY_CODES, Ended, EventHandler
from userbot.retraining.state import StateRecorder
from userbot.store import Store
from userbot.store.adapters import AdapterShelf, Manifest
from userbot.store.facts import TRAINING
from userbot.store.thread import StoreThread

PASSED = Judged(passed=True, summary="Passed.", report="/r/report.html", picture="/r/summary.png")


def add_adapter(shelf: AdapterShelf, name: str) -> None:
    """Put an adapter on the shelf."""
    with shelf.write(Manifest(id=name, base="tiny", created_at="2026-01-05T12:00:00+00:00")) as folder:
        (folder / "adapter_model.safetensors").write_bytes(name.encode())


class ScriptedProcess:
    """Stands in for the training process: how it ends is set by the test.

    Args:
        shelf: Where it puts adapters: a1, a2 and so on.
    """

    def __init__(self, shelf: AdapterShelf) -> None:
        self.shelf = shelf
        self.trained: list[tuple[str | None, bool]] = []
        self.compared: list[tuple[str, str | None]] = []
        self.killed: list[int] = []
        self.training = Ended(code=0)
        self.comparison = Ended(code=0, judged=PASSED)
        self.makes_adapters = True
        self.began = asyncio.Event()
        self.hold = asyncio.Event()
        self.hold.set()
        self.stopped = False
        self.running_pid: int | None = None

    @property
    def pid(self) -> int | None:
        """Return the id of the process that runs now."""
        return self.running_pid

    def end_orphan(self, pid: int) -> bool:
        """Remember that a process was killed."""
        self.killed.append(pid)
        return True

    async def train(self, parent: str | None, *, resume: bool, on_event: EventHandler) -> Ended:
        """Report an update, wait while `hold` is cleared, and end as `training` says."""
        self.trained.append((parent, resume))
        self.running_pid = 4711
        on_event(Stepped(step=3, total=10, loss=2.5, eta_s=120.0))
        await asyncio.sleep(0)  # what it saves is under way now
        self.began.set()
        try:
            await self.hold.wait()
        except asyncio.CancelledError:
            self.stopped = True
            raise
        finally:
            self.running_pid = None
        if self.training.code not in READY_CODES or not self.makes_adapters:
            return self.training
        name = f"a{len(self.trained)}"
        add_adapter(self.shelf, name)
        return Ended(code=self.training.code, finished=Finished(adapter_id=name))

    async def compare(self, candidate: str, active: str | None, *, on_event: EventHandler) -> Ended:
        """End as `comparison` says."""
        self.compared.append((candidate, active))
        return self.comparison


class FakeOwnerChat:
    """The owner's Saved Messages."""

    def __init__(self) -> None:
        self.texts: list[str] = []
        self.pictures: list[Path] = []
        self.unreachable = False

    async def notify_owner(self, text: str) -> None:
        """Keep the text."""
        if self.unreachable:
            raise OfflineError("no connection")
        self.texts.append(text)

    async def send_picture_to_owner(self, picture: Path, caption: str) -> None:
        """Keep picture and caption."""
        await self.notify_owner(caption)
        self.pictures.append(picture)


class FakeServingModel:
    """The model that the daemon writes with.

    Args:
        shelf: Says which adapter is active.
    """

    def __init__(self, shelf: AdapterShelf) -> None:
        self.shelf = shelf
        self.adapter_id: str | None = None
        self.unloadable: set[str] = set()
        self.calls: list[str] = []

    async def suspend(self) -> None:
        """Remember the call."""
        self.calls.append("suspend")

    async def resume(self) -> None:
        """Remember the call."""
        self.calls.append("resume")

    async def activate_adapter(self) -> str | None:
        """Load the active adapter, if it can be loaded."""
        active = self.shelf.active()
        if active is not None and active.id not in self.unloadable:
            self.adapter_id = active.id
        return self.adapter_id


class RetrainingStage:
    """Everything around one `Retraining`.

    Args:
        store: Messages and facts.
        folder: Of the adapters.
    """

    def __init__(self, store: Store, folder: Path) -> None:
        self.store = store
        self.shelf = AdapterShelf(folder / "adapters")
        self.process = ScriptedProcess(self.shelf)
        self.owner = FakeOwnerChat()
        self.model = FakeServingModel(self.shelf)
        self.mains = True
        self.load: GpuLoad | None = None
        self.thread = StoreThread()
        self.recorder = StateRecorder(store, self.thread, find_pid=lambda: self.process.pid)

    def make_retraining(self, **conditions: Any) -> Retraining:
        """Build the coordinator."""
        return Retraining(
            store=self.store,
            thread=self.thread,
            shelf=self.shelf,
            conditions=Conditions(**conditions),
            process=self.process,
            owner=self.owner,
            activate_adapter=self.model.activate_adapter,
            suspendable=self.model,
            host=Host(lambda: self.mains, lambda: self.load),
        )

    def make_cycle(self, **conditions: Any) -> Cycle:
        """Build one cycle alone."""
        return Cycle(
            store=self.store,
            thread=self.thread,
            shelf=self.shelf,
            conditions=Conditions(**conditions),
            process=self.process,
            owner=self.owner,
            recorder=self.recorder,
            activate_adapter=self.model.activate_adapter,
            read_gpu_load=lambda: self.load,
            suspendable=self.model,
        )

    def activate(self, name: str) -> None:
        """Make an adapter the active one."""
        add_adapter(self.shelf, name)
        self.shelf.activate(name)
        self.model.adapter_id = name

    @property
    def state(self) -> str | None:
        """Return the stored state of the training."""
        state = self.store.facts.get(TRAINING)
        return state.state if state else None

    @property
    def active(self) -> str | None:
        """Return the id of the active adapter."""
        manifest = self.shelf.active()
        return manifest.id if manifest else None
