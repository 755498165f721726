"""What the reply path needs of a messenger. userbot/telegram implements it, and so do the fakes of the tests."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from userbot.domain.messages import Chat, Message


class Messenger(Protocol):
    """Writes to Telegram as the owner.

    Every method may raise `FloodError` (wait, then try again), `OfflineError` (try again when connected),
    `SessionLostError` (stop) or another `TelegramError` (give up on this one).
    """

    async def send(self, chat: Chat, text: str, *, random_id: int, reply_to_id: int | None = None) -> Message:
        """Send a bubble and return it as stored by Telegram, origin `clone`.

        Sending the same `random_id` again delivers nothing new.
        """
        ...

    async def show_typing(self, chat: Chat) -> None:
        """Show the typing action; it holds for about six seconds."""
        ...

    async def mark_read(self, chat: Chat, *, up_to_id: int) -> None:
        """Acknowledge the peer's messages up to one as read."""
        ...

    async def save_draft(self, chat: Chat, text: str) -> bool:
        """Put a text into the chat's draft box; return False, changing nothing, where the owner has a draft already."""
        ...

    async def delete(self, chat: Chat, message_ids: Sequence[int]) -> None:
        """Delete messages for both sides."""
        ...

    async def notify_owner(self, text: str) -> None:
        """Write to the owner's Saved Messages."""
        ...

    async def send_picture_to_owner(self, picture: Path, caption: str) -> None:
        """Send a picture to the owner's Saved Messages."""
        ...
