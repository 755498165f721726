"""What the reply path holds in memory about one chat; all of it can be lost."""

from __future__ import annotations

import asyncio
from collections import deque
from dataclasses import dataclass, field
from datetime import datetime

from userbot.reply.debounce import Debounce
from userbot.reply.pacing import Habits


@dataclass(slots=True)
class Conversation:
    """The slow part of one chat.

    Args:
        chat_id: The chat.
        debounce: Tells when the contact has finished.
        task: The task that waits, writes and decides; None while nothing waits for an answer.
        addressed_ids: Messages that address the owner, as Telegram says; newest last.
        began_at: Start of the burst whose reply is decided and not yet sent.
        habits: The owner's habits here, as learned at `habits_at`.
    """

    chat_id: int
    debounce: Debounce
    task: asyncio.Task[None] | None = None
    addressed_ids: deque[int] = field(default_factory=lambda: deque(maxlen=50))
    began_at: datetime | None = None
    habits: Habits | None = None
    habits_at: datetime | None = None

    def stop(self) -> None:
        """Cancel the task."""
        if self.task is not None:
            self.task.cancel()
            self.task = None
