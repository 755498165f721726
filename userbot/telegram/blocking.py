"""Where blocking calls of the store run, so that the connection is never kept waiting."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from userbot.store.thread import StoreThread

Run = Callable[..., Awaitable[Any]]
"""Runs a blocking call, given with its arguments, in another thread."""


def choose_runner(thread: StoreThread | None) -> Run:
    """Return what runs blocking calls: the given thread, else any of the event loop's."""
    return asyncio.to_thread if thread is None else thread.run
