"""Tell the owner that a contact is called something else now; prompts keep the name that the owner accepted."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta

from userbot.daemon.command_context import PREFIX
from userbot.domain.errors import SessionLostError, TelegramError
from userbot.domain.messages import Chat, prompt_name
from userbot.domain.names import clean_name
from userbot.store import Store
from userbot.store.chat_names import describe_chat
from userbot.store.thread import StoreThread

log = logging.getLogger(__name__)

NOTICE_GAP = timedelta(hours=1)
"""Least time between two notices on one chat, as nobody may fill Saved Messages by renaming themselves."""

RETRY = timedelta(minutes=1)
"""Wait after a notice that did not reach Telegram."""


class RenameNotices:
    """Tells the owner of new names, each once, also of those that were seen while no notice could be sent.

    Args:
        store: Knows what chats are called, and what the owner was told.
        thread: Runs the store's calls.
        notify_owner: Writes to the owner's Saved Messages.
    """

    def __init__(
        self, store: Store, thread: StoreThread, *, notify_owner: Callable[[str], Awaitable[int | None]]
    ) -> None:
        self._store = store
        self._thread = thread
        self._notify_owner = notify_owner
        self._not_before: dict[int, datetime] = {}

    async def check(self) -> None:
        """Tell of the chats that are called something else than the owner was told.

        Raises:
            SessionLostError: The session can't be used any more.
        """
        now = self._store.clock()
        for chat, before in await self._thread.run(self._store.chats.renamed):
            if now < self._not_before.get(chat.id, now):
                continue
            try:
                await self._notify_owner(write_notice(chat, before))
            except SessionLostError:
                raise
            except TelegramError as exc:
                log.warning("the notice on the new name of chat %s waits: %s", chat.id, type(exc).__name__)
                self._not_before[chat.id] = now + RETRY
                continue
            self._not_before[chat.id] = now + NOTICE_GAP
            await self._thread.run(self._store.chats.note_told, chat.id, chat.title)


def write_notice(chat: Chat, before: str) -> str:
    """Return what the owner is told about a new name.

    Args:
        chat: As it is called now.
        before: What it was called when the owner was told last.
    """
    kept = prompt_name(chat)
    text = f"{clean_name(before)!r} is called {clean_name(chat.title)!r} now: {describe_chat(chat)}."
    if kept == clean_name(chat.title):
        return f"{text} Prompts say the same."
    return f"{text} Prompts keep {kept!r}; `{PREFIX} rename {chat.id}` takes the new name over."
