"""The list of chats, as Telegram shows it."""

from __future__ import annotations

from dataclasses import replace

from userbot.domain.messages import Chat
from userbot.telegram.client import PatientClient
from userbot.telegram.convert import read_chat
from userbot.telegram.errors import translated


async def list_dialogs(client: PatientClient, me_id: int) -> list[Chat]:
    """Return all chats of an account, archived ones too, newest first; mode and consent are defaults.

    Telethon keeps their access hashes in the session, so that every chat can be addressed afterwards.

    Args:
        client: Connected and logged in.
        me_id: The owner's id.

    Raises:
        OfflineError: The connection broke.
        SessionLostError: The session can't be used any more.
    """
    with translated("read the list of chats"):
        return [
            replace(read_chat(dialog.entity, me_id), last_message_at=dialog.date)
            async for dialog in client.iter_dialogs(ignore_migrated=True)
            if dialog.entity is not None
        ]
