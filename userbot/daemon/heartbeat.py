"""The daemon's sign of life: what it writes about itself to the store, and what others read there."""

from __future__ import annotations

import os
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from userbot.store import Store

DAEMON = "daemon"


NOT_RUNNING = "not running"


BEAT_S = 15.0


def write_state(store: Store, state: str, *, since: datetime, **details: Any) -> None:
    """Note what this process, the daemon, does now; it is written again every `BEAT_S` as a sign of life."""
    beat = {"state": state, "since": since.isoformat(), "beat_at": store.clock().isoformat(), "pid": os.getpid()}
    store.facts.set(DAEMON, {**beat, **details})


def read_state(store: Store) -> Mapping[str, Any]:
    """Return what the daemon wrote last, with the state `not running` where its process is gone."""
    found: dict[str, Any] = store.facts.get(DAEMON) or {}
    if not found:
        return {"state": NOT_RUNNING}
    # A process id alone says little: in a container it is the same each time.
    silent = store.clock() - datetime.fromisoformat(found["beat_at"]) > timedelta(seconds=6 * BEAT_S)
    if found["state"] not in _FINAL and (silent or not _is_alive(int(found["pid"]))):
        return {**found, "state": NOT_RUNNING}
    return found


def is_running(store: Store) -> bool:
    """Tell whether a daemon serves this store."""
    return read_state(store)["state"] not in (*_FINAL, NOT_RUNNING)


_FINAL = ("stopped", "session lost", "needs login", "failed")


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
