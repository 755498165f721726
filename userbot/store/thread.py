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
    """Runs blocking calls one after another, in the order in which they were queued.

    Cancelling a task does not stop the call that it waits for; the next call runs after it. A call that cancels pending
    bubbles therefore sees what a cancelled task wrote last. With several threads it would not, and SQLite's writers
    would wait for each other's lock.
    """

    def __init__(self) -> None:
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="store")

    async def run(self, call: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run a call on the thread and return its result.

        Args:
            call: Blocking.
            args: For the call.
            kwargs: For the call.
        """
        return await self.start(call, *args, **kwargs)

    def start(self, call: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> asyncio.Future[T]:
        """Queue a call without waiting for it; return the future of its result."""
        return asyncio.get_running_loop().run_in_executor(self._pool, partial(call, *args, **kwargs))

    def close(self) -> None:
        """Wait for the queued calls and end the thread."""
        self._pool.shutdown(wait=True)
