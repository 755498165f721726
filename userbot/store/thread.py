"""One thread for the store's calls, so that the event loop never waits for the disk."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")


class StoreThread:
    """Runs blocking calls one after another, in the order in which they were asked for.

    A task that is cancelled while its call runs does not stop the call; whatever is asked for next runs after it. So
    `cancel what is pending` finds what a cancelled task wrote last. With several threads it would not, and SQLite's
    writers would wait for each other's lock.
    """

    def __init__(self) -> None:
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="store")

    async def run(self, call: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run a call on the thread and return its result."""
        return await self.start(call, *args, **kwargs)

    def start(self, call: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> asyncio.Future[T]:
        """Ask for a call at once, without waiting for it; its place in the order is taken."""
        return asyncio.get_running_loop().run_in_executor(self._pool, partial(call, *args, **kwargs))

    def close(self) -> None:
        """Wait for the calls in progress and end the thread."""
        self._pool.shutdown(wait=True)
