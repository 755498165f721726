"""The owner comes first: whatever they do in a chat stops the clone there for a while."""

from __future__ import annotations

import logging
from datetime import timedelta

from userbot.domain.events import OwnerActive
from userbot.domain.messages import Message, Mode
from userbot.domain.metrics import Metrics
from userbot.reply.intake import pause_chat
from userbot.reply.outbox import Outbox
from userbot.reply.timer import Timer
from userbot.store import Store
from userbot.store.thread import StoreThread

log = logging.getLogger(__name__)


class Takeover:
    """Cancels what is pending in a chat where the owner is active, and pauses it.

    The pause is in the store, so it survives a restart; it counts from what the owner did last.

    Args:
        store: Keeps the pause.
        thread: Runs the store's calls.
        outbox: Holds what is pending.
        timer: Tells the time.
        pause_s: Length of the pause, seconds.
        metrics: Counts.
    """

    def __init__(
        self, *, store: Store, thread: StoreThread, outbox: Outbox, timer: Timer, pause_s: float, metrics: Metrics
    ) -> None:
        self._store = store
        self._thread = thread
        self._outbox = outbox
        self._timer = timer
        self._pause = timedelta(seconds=pause_s)
        self._metrics = metrics

    async def after_message(self, message: Message) -> None:
        """Cancel what is pending after a message of the owner; `intake.store_message` has paused the chat already."""
        await self._cancel(message.chat_id, "the owner wrote")

    async def after_activity(self, event: OwnerActive) -> bool:
        """Cancel and pause after the owner read a chat or began a draft there.

        In a chat in draft mode the owner is expected to look: only their own writing takes over there.

        Returns:
            Whether that was a takeover.
        """
        chat = await self._thread.run(self._store.chats.get, event.chat_id)
        if chat is None or chat.mode is Mode.OFF or (chat.mode is Mode.DRAFT and event.action == "read"):
            return False
        await self._thread.run(pause_chat, self._store, chat.id, self._timer.now() + self._pause)
        await self._cancel(chat.id, "the owner read the chat" if event.action == "read" else "the owner is writing")
        return True

    async def _cancel(self, chat_id: int, reason: str) -> None:
        self._metrics.takeovers.inc()
        cancelled = await self._outbox.cancel(chat_id, reason=reason)
        log.info("the owner took over chat %s; %d bubbles were cancelled", chat_id, cancelled)
