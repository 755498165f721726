"""Where blocking calls run."""

from __future__ import annotations

import threading

from userbot.store.thread import StoreThread
from userbot.telegram.blocking import choose_runner


async def test_calls_run_on_the_given_thread_or_on_any_but_the_event_loops() -> None:
    thread = StoreThread()
    try:
        first = await choose_runner(thread)(threading.get_ident)
        assert await choose_runner(thread)(threading.get_ident) == first
        assert await choose_runner(None)(threading.get_ident) not in (first, threading.get_ident())
    finally:
        thread.close()
