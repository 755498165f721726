"""Consent after a training has begun: once withdrawn, it ends the run that learns under it and deletes its samples."""

from __future__ import annotations

import fcntl
import json
import shutil
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from userbot.domain.errors import ConsentError
from userbot.domain.plural import format_count

if TYPE_CHECKING:
    from userbot.store import Store

LOOK_S = 2.0  # between two looks into the store


def find_withdrawn(store: Store, data: Mapping[str, Any]) -> list[int]:
    """Return the chats that a run or an adapter has learned from, and that may not be learned from any more.

    Args:
        store: Knows the consents.
        data: Of a run, or of a manifest.
    """
    parts = (data.get("train", {}), data.get("held_out", {}), {"chats": data.get("known", {})})
    learned = sorted({int(name) for part in parts for name in part.get("chats", {})})
    known = {chat.id: chat for chat in store.chats.all()}
    return [number for number in learned if number not in known or known[number].consent_at is None]


class ConsentWatch:
    """Tells a run to stop when it is asked to, and when a consent is withdrawn that it learns under.

    Args:
        store: Knows the consents.
        data: Of the run.
        run: The run's folder.
        should_stop: Whether somebody else asks the run to stop.
    """

    def __init__(self, store: Store, data: Mapping[str, Any], run: Path, *, should_stop: Callable[[], bool]) -> None:
        self._store = store
        self._data = data
        self._run = run
        self._should_stop = should_stop
        self._look_at = time.monotonic()
        self._withdrawn = False

    def should_stop(self) -> bool:
        """Tell whether the run must stop; looks into the store now and then, as it is asked many times a second."""
        now = time.monotonic()
        if now >= self._look_at:
            self._look_at = now + LOOK_S
            self._withdrawn = bool(find_withdrawn(self._store, self._data))
        return self._withdrawn or self._should_stop()

    def check(self) -> None:
        """Make sure that every consent is still there.

        Raises:
            ConsentError: One was withdrawn; the run's folder is deleted, as it holds what that chat said.
        """
        withdrawn = find_withdrawn(self._store, self._data)
        if withdrawn:
            shutil.rmtree(self._run)
            raise ConsentError(
                f"Run {self._run.name} learned from {format_count(len(withdrawn), 'chat')} whose consent was "
                f"withdrawn, so it has ended, and its data is deleted. Start afresh without it: clone train"
            )


def forget_runs(store: Store, runs: Path) -> int:
    """Delete interrupted runs that learned from a chat whose consent was withdrawn; return how many.

    One that a process works on is left to that process, which notices by itself.
    """
    forgotten = 0
    for path in runs.glob("*/run.json"):
        try:
            known = json.loads(path.read_text("utf-8"))
        except (OSError, ValueError):
            continue
        if known.get("state") != "running" or not find_withdrawn(store, known["data"]):
            continue
        with (path.parent / "log.jsonl").open("a", encoding="utf-8") as log:
            try:
                fcntl.flock(log, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                continue
            shutil.rmtree(path.parent)
            forgotten += 1
    return forgotten
