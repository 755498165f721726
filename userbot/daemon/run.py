"""The daemon from start to exit: it checks what it needs, runs, and shuts down in order on a signal."""

from __future__ import annotations

import asyncio
import logging
import signal
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from userbot.config.settings import Settings
from userbot.daemon.daemon import Daemon
from userbot.domain.errors import NoAdapterError
from userbot.generator import Generator
from userbot.store import Store
from userbot.store.adapters import AdapterShelf
from userbot.trust.forget import finish_forgetting

log = logging.getLogger(__name__)


async def run_daemon(
    settings: Settings,
    *,
    generator: Generator | None = None,
    ready: asyncio.Event | None = None,
    stop: asyncio.Event | None = None,
    reconcile_every_s: float = 180.0,
) -> int:
    """Answer the allowed chats until stopped by SIGTERM, SIGINT or `stop`.

    Args:
        settings: All of them.
        generator: Writes replies in place of the one that the settings name.
        ready: Set when events are being handled.
        stop: Ends the run when set, as a signal does.
        reconcile_every_s: Time between two looks for missed messages.

    Returns:
        The exit code 0.

    Raises:
        NoAdapterError: Nothing was trained yet.
        SessionBusyError: Another process uses the session.
        LoginError: Nobody is logged in.
        SessionLostError: The session was revoked, or the account banned.
    """
    for note in settings.notes:
        log.warning("%s", note)
    stop = stop or asyncio.Event()
    shelf = AdapterShelf(settings.paths.adapters)
    if generator is None:
        _check_adapter(settings, shelf)
    with Store.open(settings.paths.database) as store, _signals(stop):
        finish_forgetting(store, settings.paths)
        daemon = Daemon(settings, store, shelf, reconcile_every_s=reconcile_every_s)
        work = asyncio.create_task(daemon.run(generator, ready=ready or asyncio.Event(), stop=stop), name="run")
        stopping = asyncio.create_task(stop.wait(), name="stop")
        try:
            await asyncio.wait({work, stopping}, return_when=asyncio.FIRST_COMPLETED)
            if not work.done() and not daemon.is_serving:
                # Without a network the connecting never ends, and loading a model takes long.
                work.cancel()
            await work
        except asyncio.CancelledError:
            if not stop.is_set():
                raise
        finally:
            stopping.cancel()
            daemon.thread.close()
    return 0


def _check_adapter(settings: Settings, shelf: AdapterShelf) -> None:
    if shelf.active() is None and settings.generator.kind != "remote":
        raise NoAdapterError(
            "There is no adapter yet: the clone has not learned to write like you. Train one with `clone train`, "
            "or try everything without an account: `clone demo`."
        )


@contextmanager
def _signals(stop: asyncio.Event) -> Iterator[None]:
    loop = asyncio.get_running_loop()
    handled = []
    for number in (signal.SIGTERM, signal.SIGINT):
        # Only the main thread may; elsewhere the stop event does the same.
        with suppress(ValueError, RuntimeError, NotImplementedError):
            loop.add_signal_handler(number, stop.set)
            handled.append(number)
    try:
        yield
    finally:
        for number in handled:
            loop.remove_signal_handler(number)
