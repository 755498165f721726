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
        """Send a bubble.

        Args:
            chat: Where to.
            text: 1 to 4096 characters, sent as they are, without markup.
            random_id: Signed 64 bit, not 0. Sending the same one again delivers nothing new.
            reply_to_id: Message of the chat to quote.

        Returns:
            The message as Telegram has it, origin `clone`.
        """
        ...

    async def show_typing(self, chat: Chat) -> None:
        """Show the typing action; it holds for about six seconds."""
        ...

    async def mark_read(self, chat: Chat, *, up_to_id: int) -> None:
        """Acknowledge the contact's messages up to one as read."""
        ...

    async def save_draft(self, chat: Chat, text: str) -> bool:
        """Save a text in the chat's draft box, where it replaces a draft of the clone's own.

        Returns:
            False, having changed nothing, where the owner has a draft there.
        """
        ...

    async def delete(self, chat: Chat, message_ids: Sequence[int]) -> None:
        """Delete messages for both sides."""
        ...

    async def notify_owner(self, text: str) -> int | None:
        """Write to the owner's Saved Messages; return the id of the message where it is known."""
        ...

    async def send_picture_to_owner(self, picture: Path, caption: str) -> None:
        """Send a picture to the owner's Saved Messages."""
        ...
