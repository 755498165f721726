"""The daemon's sign of life: what it writes about itself to the store, and what other processes read there."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from userbot.domain.metrics import Metrics
from userbot.store import Store
from userbot.store.facts import DAEMON, DaemonState
from userbot.store.thread import StoreThread

BEAT_S = 15.0
"""Seconds after which the daemon writes its state again."""

CONNECTED = "connected"
"""State of the connection in which all is well; the modules of Telegram are not imported for this word."""

NOT_RUNNING = "not running"
_FINAL = ("stopped", "session lost", "needs login", "failed")
_SILENT_BEATS = 6
_UNHEALTHY_BEATS = 4


class Heartbeat:
    """Holds the daemon's state, and writes it to the store when it changes and from time to time.

    Args:
        store: Where it is written.
        thread: Runs the store's calls.
        clock: Returns the present time, aware.
        metrics: Show the state too.
    """

    def __init__(self, store: Store, thread: StoreThread, *, clock: Callable[[], datetime], metrics: Metrics) -> None:
        self._store = store
        self._thread = thread
        self._clock = clock
        self._metrics = metrics
        self._state = "starting"
        self._since = self._beat_at = clock()

    def set(self, state: str) -> asyncio.Future[None]:
        """Change the state, and write it.

        Args:
            state: One of `userbot.domain.metrics.STATES`.

        Returns:
            The future of the writing, which need not be awaited.
        """
        if state != self._state:
            self._state, self._since = state, self._clock()
        self._metrics.state.state(state)
        return self._write()

    async def beat(self) -> None:
        """Write the state if it was not written for `BEAT_S` seconds."""
        if self._age_s() >= BEAT_S:
            await self._write()

    def read_health(self) -> tuple[bool, dict[str, Any]]:
        """Return whether the daemon is connected and alive, and what to show of it. Safe on any thread."""
        age_s = self._age_s()
        shown = {"state": self._state, "since": self._since.isoformat(), "beat_age_s": round(age_s, 1)}
        return self._state == CONNECTED and age_s < _UNHEALTHY_BEATS * BEAT_S, shown

    def _age_s(self) -> float:
        return (self._clock() - self._beat_at).total_seconds()

    def _write(self) -> asyncio.Future[None]:
        self._beat_at = self._clock()
        return self._thread.start(write_state, self._store, self._state, since=self._since)


def write_state(store: Store, state: str, *, since: datetime) -> None:
    """Note what this process, the daemon, does now.

    Args:
        store: Where to note it.
        state: Such as `connected`.
        since: When that began, aware.
    """
    store.facts.set(DAEMON, DaemonState(state=state, since=since, beat_at=store.clock(), pid=os.getpid()))


def read_state(store: Store) -> DaemonState | None:
    """Return what the daemon wrote last, as `not running` where its process is gone; None where it never ran."""
    written = store.facts.get(DAEMON)
    if written is None or written.state in _FINAL:
        return written
    # A process id alone is not enough: in a container it is the same each time.
    silent = store.clock() - written.beat_at > timedelta(seconds=_SILENT_BEATS * BEAT_S)
    return replace(written, state=NOT_RUNNING) if silent or not _is_alive(written.pid) else written


def is_running(store: Store) -> bool:
    """Tell whether a daemon serves this store."""
    state = read_state(store)
    return state is not None and state.state not in (*_FINAL, NOT_RUNNING)


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
