"""Tell the owner something in Saved Messages; that it can't be told must not stop what it is about."""

from __future__ import annotations

import logging
from typing import Protocol

from userbot.domain.errors import SessionLostError, TelegramError

log = logging.getLogger(__name__)

KEPT = 20
"""Notices kept while Telegram can't be reached; the oldest go first."""


class OwnerChannel(Protocol):
    """Reaches the owner; `userbot.reply.messenger.Messenger` is one."""

    async def notify_owner(self, text: str) -> int | None:
        """Write to the owner's Saved Messages."""
        ...


class Notices:
    """Tells the owner; what could not be delivered goes out with the next notice.

    Args:
        channel: Reaches the owner.
    """

    def __init__(self, channel: OwnerChannel) -> None:
        self._channel = channel
        self._waiting: list[str] = []

    async def notify_owner(self, text: str) -> None:
        """Write a notice, after those that wait.

        Args:
            text: For the owner; never a word of an answer that was withheld.

        Raises:
            SessionLostError: The session is of no use any more.
        """
        self._waiting = [*self._waiting, text][-KEPT:]
        while self._waiting:
            try:
                await self._channel.notify_owner(self._waiting[0])
            except SessionLostError:
                raise
            except TelegramError as exc:
                log.warning("a notice to the owner waits, as it could not be sent: %s", exc)
                return
            self._waiting.pop(0)
