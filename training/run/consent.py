"""Consent after training has begun: once withdrawn, it ends the run that trains under it and deletes its samples."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from userbot.domain.errors import ConfigError, ConsentError
from userbot.domain.plural import format_count
from userbot.store.runs import RunFolder, list_unfinished

if TYPE_CHECKING:
    from userbot.store import Store

CHECK_INTERVAL_S = 2.0


class ConsentWatch:
    """Stops a run when it is asked to stop, or when a consent that it trains under is withdrawn.

    Args:
        store: Knows the consents.
        data: Of the run's record.
        run: The run's folder.
        should_stop: Whether somebody else asks the run to stop.
        clock: Monotonic, seconds.
    """

    def __init__(
        self,
        store: Store,
        data: Mapping[str, Any],
        run: RunFolder,
        *,
        should_stop: Callable[[], bool],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.store = store
        self._data = data
        self._run = run
        self._should_stop = should_stop
        self._clock = clock
        self._next_check_s = clock()
        self._withdrawn = False

    def should_stop(self) -> bool:
        """Tell whether the run must stop.

        It is asked many times a second, so it reads the store only every `CHECK_INTERVAL_S`.
        """
        now = self._clock()
        if now >= self._next_check_s:
            self._next_check_s = now + CHECK_INTERVAL_S
            self._withdrawn = bool(self.store.consents.find_withdrawn(self._data))
        return self._withdrawn or self._should_stop()

    def check(self) -> None:
        """Make sure that every consent still stands.

        Raises:
            ConsentError: One was withdrawn; the run's folder is deleted, as it holds what was written in that chat.
        """
        withdrawn = self.store.consents.find_withdrawn(self._data)
        if withdrawn:
            self._run.remove()
            raise ConsentError(
                f"Run {self._run.id} learned from {format_count(len(withdrawn), 'chat')} whose consent was "
                f"withdrawn, so it has ended, and its data is deleted. Start afresh without it: clone train"
            )


def forget_runs(store: Store, runs: Path) -> int:
    """Delete interrupted runs that trained on a chat whose consent was withdrawn.

    A run that a process works on is left to that process, which notices on its own.

    Args:
        store: Knows the consents.
        runs: `<home>/runs`.

    Returns:
        How many were deleted.
    """
    deleted = 0
    for run, record in list_unfinished(runs):
        if not store.consents.find_withdrawn(record.data):
            continue
        try:
            with run.claim():
                run.remove()
        except ConfigError:
            continue
        deleted += 1
    return deleted
