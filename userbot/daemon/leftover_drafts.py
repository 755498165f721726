"""Drafts of the clone's in chats that are forgotten: cleared at Telegram, at once or when it can be reached."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import replace
from typing import Protocol

from userbot.domain.errors import CloneError, TelegramError
from userbot.domain.messages import Chat, ChatKind
from userbot.store import Store
from userbot.store.facts import OWN_DRAFTS
from userbot.store.forget_journal import Entry, ForgetJournal, digest_draft
from userbot.store.thread import StoreThread

log = logging.getLogger(__name__)


class DraftBox(Protocol):
    """Reaches the draft boxes at Telegram; `userbot.telegram.sender.Sender` does."""

    async def clear_draft(self, chat: Chat, *, is_own: Callable[[str], bool]) -> bool:
        """Empty a chat's draft box if the text in it is the clone's; return whether it was.

        Raises:
            TelegramError: Telegram refused it, or can't be reached.
        """
        ...


class LeftoverDrafts:
    """Clears the clone's drafts in forgotten chats.

    Args:
        box: Reaches the draft boxes.
        store: Remembers the clone's drafts.
        thread: Runs the store's calls.
        journal: Names the drafts that are still to be cleared.
    """

    def __init__(self, box: DraftBox, store: Store, thread: StoreThread, *, journal: ForgetJournal) -> None:
        self._box = box
        self._store = store
        self._thread = thread
        self._journal = journal

    async def clear(self, chat: Chat) -> None:
        """Clear the draft of a chat that is about to be forgotten; where that fails, the journal will name it."""
        drafts = await self._thread.run(self._store.facts.get, OWN_DRAFTS) or {}
        text = drafts.get(chat.id)
        if text is None:
            return
        try:
            await self._box.clear_draft(chat, is_own=lambda current: current.strip() == text.strip())
        except TelegramError as exc:
            log.warning("the draft in chat %s can't be cleared yet: %s", chat.id, exc)
            return
        left = {chat_id: draft for chat_id, draft in drafts.items() if chat_id != chat.id}
        await self._thread.run(self._store.facts.set, OWN_DRAFTS, left or None)

    async def clear_queued(self) -> None:
        """Clear the drafts that the journal names; those that can't be reached stay in it for the next time."""
        try:
            entries = await self._thread.run(self._journal.read)
        except CloneError as exc:
            log.warning("the drafts of forgotten chats can't be cleared: %s", exc)
            return
        for entry in entries:
            if entry.draft is not None:
                await self._clear_entry(entry)

    async def _clear_entry(self, entry: Entry) -> None:
        draft = entry.draft
        if draft is None:
            return
        chat = Chat(id=entry.chat_id, kind=ChatKind.PRIVATE, title="", access_hash=draft.access_hash)
        try:
            await self._box.clear_draft(chat, is_own=lambda current: digest_draft(current) == draft.digest)
        except TelegramError as exc:
            log.warning("the draft in the forgotten chat %s can't be cleared yet: %s", entry.chat_id, exc)
            return
        await self._thread.run(self._journal.put, replace(entry, draft=None))
