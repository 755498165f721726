"""Find what the updates have missed.

Updates are lost in ways that no setting prevents: a difference that is too long carries no messages, a channel that the
session does not know has none at all, and a crash loses what was dispatched but not stored yet. So each chat has a
cursor in the store: up to there, everything that Telegram has is stored. It moves only when a later pass has seen in
the store all that Telegram has, so a crash at any moment costs a repeated comparison and nothing else.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from typing import Any

from telethon.tl import functions, types
from telethon.utils import get_peer_id

from userbot.domain.errors import FloodError, OfflineError, SessionLostError, TelegramError
from userbot.domain.events import Arrived, Deleted, Edited, Event
from userbot.domain.messages import Chat, Mode
from userbot.domain.telegram_ids import is_basic_group
from userbot.store import Store
from userbot.store.facts import reconciled_up_to
from userbot.telegram.blocking import Run
from userbot.telegram.client import PatientClient
from userbot.telegram.convert import is_automatic, read_fetched
from userbot.telegram.errors import translated
from userbot.telegram.sender import Sender
from userbot.telegram.updates import UpdateReader
from userbot.telegram.vanished import WINDOW, VanishedCheck

logger = logging.getLogger(__name__)

# How many messages of a chat that was never compared: enough for a context, without pulling its history.
FIRST_LOOK = 50
_CHATS_AT_ONCE = 50


class Reconciler:
    """Compare the allowed chats with the store and emit what is missing.

    Args:
        client: Connected.
        reader: Knows the chats, and recognises the clone's own messages.
        sender: Addresses chats.
        me_id: The owner's id.
        emit: Called with each event.
    """

    def __init__(
        self,
        client: PatientClient,
        reader: UpdateReader,
        *,
        sender: Sender,
        me_id: int,
        emit: Callable[[Event], None],
    ) -> None:
        self._client = client
        self._reader = reader
        self._sender = sender
        self._me_id = me_id
        self._emit = emit
        self._vanished = VanishedCheck(client, sender)

    @property
    def is_in_doubt(self) -> bool:
        """Whether deletions should be asked about again at the next comparison."""
        return self._vanished.is_in_doubt

    async def reconcile(self, store: Store, chats: Sequence[Chat], *, run: Run, deletions: bool = False) -> int:
        """Emit the messages that the store lacks, and what became of those that it has.

        Chats whose newest message is the cursor cost one request for fifty of them.

        Args:
            store: Knows the messages, and the cursors.
            chats: Chats to compare.
            run: Runs a blocking call of the store in another thread.
            deletions: Ask what was deleted or edited, too: one or two requests a chat.

        Returns:
            Number of messages that the store lacked.

        Raises:
            FloodError: Telegram asks to wait; the chats before are done.
            OfflineError: The connection broke.
            SessionLostError: The session can't be used any more.
        """
        missed = 0
        for start in range(0, len(chats), _CHATS_AT_ONCE):
            group = chats[start : start + _CHATS_AT_ONCE]
            tops = await self._read_tops(group)
            for chat in group:
                cursor = await run(store.facts.get, reconciled_up_to(chat.id))
                if cursor is not None and tops.get(chat.id, cursor + 1) <= cursor:
                    continue
                try:
                    missed += await self._compare(store, chat, cursor=cursor, run=run)
                except (FloodError, OfflineError, SessionLostError):
                    raise
                except TelegramError as exc:
                    logger.warning("Chat %s can't be compared with the store: %s", chat.id, exc)
        if deletions:
            await self._find_vanished(store, chats, run)
        if missed:
            logger.info("The reconciler fetched %d messages that the updates had missed", missed)
        return missed

    async def _find_vanished(self, store: Store, chats: Sequence[Chat], run: Run) -> None:
        for chat in chats:
            known = await run(lambda chat_id: store.messages.window(chat_id, limit=WINDOW), chat.id)
            try:
                changes = await self._vanished.compare(chat, known)
            except (FloodError, OfflineError, SessionLostError):
                raise
            except TelegramError as exc:
                logger.warning("What was deleted in chat %s can't be asked: %s", chat.id, exc)
                continue
            if changes.deleted:
                self._emit(Deleted(message_ids=changes.deleted, chat_id=chat.id))
                logger.info("%d messages of chat %s were deleted meanwhile", len(changes.deleted), chat.id)
            for raw in changes.edited:
                event = self._read(chat, raw)
                if event is not None:
                    self._emit(Edited(message=event.message))

    async def _read_tops(self, chats: Sequence[Chat]) -> dict[int, int]:
        """Return the id of the newest message by chat; empty when Telegram refuses one of them."""
        try:
            peers = [types.InputDialogPeer(await self._sender.address(chat)) for chat in chats]
            with translated("look for new messages"):
                answer = await self._client(functions.messages.GetPeerDialogsRequest(peers))
        except (FloodError, OfflineError, SessionLostError):
            raise
        except TelegramError:
            return {}
        return {get_peer_id(dialog.peer): dialog.top_message for dialog in answer.dialogs}

    async def _compare(self, store: Store, chat: Chat, *, cursor: int | None, run: Run) -> int:
        peer = await self._sender.address(chat)
        with translated(f"read chat {chat.id}"):
            start = await self._find_start(store, chat, peer, run=run) if cursor is None else cursor
            raws = [raw async for raw in self._client.iter_messages(peer, min_id=start, reverse=True)]
        known = {message.id for message in await run(store.messages.after, chat.id, start)}
        missing = [event for raw in raws if raw.id not in known and (event := self._read(chat, raw)) is not None]
        for event in missing:
            self._emit(event)
        if not missing:
            await run(store.facts.set, reconciled_up_to(chat.id), max([start, *(raw.id for raw in raws)]))
        return len(missing)

    async def _find_start(self, store: Store, chat: Chat, peer: Any, *, run: Run) -> int:
        # A gap may precede the newest stored message, which came live, so the newest ones are always compared.
        newest: int = await run(store.messages.newest_id, chat.id)
        recent = await self._client.get_messages(peer, limit=FIRST_LOOK)
        before = max(recent[-1].id - 1, 0) if recent else newest
        return min(newest, before) if newest else before

    def _read(self, chat: Chat, raw: Any) -> Arrived | None:
        try:
            message = read_fetched(raw, self._me_id)
        except Exception:
            # One message that can't be read must not hide the others.
            logger.exception("Message %s of chat %s can't be read", raw.id, chat.id)
            return None
        if message is None:
            return None
        seen = self._reader.learn(raw.chat) if raw.chat is not None else chat
        return Arrived(
            chat=seen,
            message=self._reader.recognise(message),
            mentions_owner=bool(raw.mentioned),
            automatic=is_automatic(raw),
        )


def choose_chats(store: Store) -> list[Chat]:
    """Return the chats whose messages are kept and that can be addressed without looking them up.

    Args:
        store: Holds all chats.
    """
    return [
        chat
        for chat in store.chats.all()
        if chat.source == "telegram"
        and chat.kind.is_conversation
        and (chat.mode is not Mode.OFF or (chat.consent_at is not None and _is_addressable(chat)))
    ]


def _is_addressable(chat: Chat) -> bool:
    return chat.access_hash is not None or is_basic_group(chat.id)
