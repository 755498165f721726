"""The daemon's sign of life: what it writes about itself to the store, and what other processes read there."""

from __future__ import annotations

import os
from dataclasses import replace
from datetime import datetime, timedelta

from userbot.store import Store
from userbot.store.facts import DAEMON, DaemonState

BEAT_S = 15.0
"""How often the daemon writes its state, as a sign of life."""

NOT_RUNNING = "not running"
_FINAL = ("stopped", "session lost", "needs login", "failed")


def write_state(store: Store, state: str, *, since: datetime) -> None:
    """Note what this process, the daemon, does now."""
    store.facts.set(DAEMON, DaemonState(state=state, since=since, beat_at=store.clock(), pid=os.getpid()))


def read_state(store: Store) -> DaemonState | None:
    """Return what the daemon wrote last, as `not running` where its process is gone; None where it never ran."""
    written = store.facts.get(DAEMON)
    if written is None or written.state in _FINAL:
        return written
    # A process id alone says little: in a container it is the same each time.
    silent = store.clock() - written.beat_at > timedelta(seconds=6 * BEAT_S)
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
