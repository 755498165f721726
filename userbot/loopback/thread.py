"""A loopback Telegram in a thread of its own, for synchronous programs and tests."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from concurrent.futures import Future, ThreadPoolExecutor
from threading import Event
from types import TracebackType
from typing import Any, Self, TypeVar

from userbot.loopback.server import LoopbackTelegram

T = TypeVar("T")


class LoopbackThread:
    """Run a server beside synchronous code; use it with `with`.

    Use the server only through `run` and `look`: its objects belong to its own event loop.

    Args:
        make: Makes the server; called in the new thread.
    """

    def __init__(self, make: Callable[[], LoopbackTelegram] = LoopbackTelegram) -> None:
        self._make = make
        self._ready = Event()
        self._executor = ThreadPoolExecutor(max_workers=1, thread_name_prefix="loopback-telegram")
        self._serving: Future[None]
        self._loop: asyncio.AbstractEventLoop
        self._stop: asyncio.Event
        self.server: LoopbackTelegram

    def __enter__(self) -> Self:
        self._serving = self._executor.submit(lambda: asyncio.run(self._serve()))
        self._serving.add_done_callback(lambda _: self._ready.set())
        self._ready.wait()
        if self._serving.done():
            with self._executor:
                self._serving.result()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._loop.call_soon_threadsafe(self._stop.set)
        with self._executor:
            self._serving.result()

    def run(self, coroutine: Coroutine[Any, Any, T], *, timeout_s: float = 30.0) -> T:
        """Run one of the server's coroutines, such as `thread.server.send(...)`, and return its result.

        Raises:
            TimeoutError: It took longer than `timeout_s` seconds.
        """
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result(timeout_s)

    def look(self, question: Callable[[], T]) -> T:
        """Call a function, such as `lambda: thread.server.conversation(...)`, in the server's thread."""

        async def ask() -> T:
            return question()

        return self.run(ask())

    async def _serve(self) -> None:
        self._loop, self._stop = asyncio.get_running_loop(), asyncio.Event()
        self.server = self._make()
        async with self.server:
            self._ready.set()
            await self._stop.wait()
