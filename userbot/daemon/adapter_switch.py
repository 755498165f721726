"""Keeps the generator on the active adapter while the daemon runs."""

from __future__ import annotations

import logging

from userbot.domain.errors import CloneError, GeneratorUnavailableError
from userbot.generator import Generator
from userbot.store.adapters import AdapterShelf
from userbot.store.thread import StoreThread

log = logging.getLogger(__name__)


class AdapterSwitch:
    """Activates the shelf's active adapter in a generator; a failure keeps the one that writes.

    Args:
        generator: Writes the replies.
        shelf: Knows which adapter is active.
        thread: Runs the shelf's calls.
    """

    def __init__(self, generator: Generator, shelf: AdapterShelf, thread: StoreThread) -> None:
        self._generator = generator
        self._shelf = shelf
        self._thread = thread
        self._refused: str | None = None

    async def activate(self) -> str | None:
        """Load the active adapter unless it is loaded, or was refused; return the id of the one that writes now.

        Raises:
            AdapterError: The shelf can't tell which adapter is active.
        """
        manifest = await self._thread.run(self._shelf.active)
        if manifest is None or manifest.id in (self._generator.adapter_id, self._refused):
            return self._generator.adapter_id
        try:
            await self._generator.activate(manifest.id)
        except GeneratorUnavailableError as exc:
            log.debug("adapter %s is not loaded yet: %s", manifest.id, exc)
        except CloneError as exc:
            self._refused = manifest.id
            log.error("adapter %s can't be loaded, the one before it stays: %s", manifest.id, exc)
        if self._generator.adapter_id == manifest.id:
            log.info("adapter %s writes the replies now", manifest.id)
        return self._generator.adapter_id
