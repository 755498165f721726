"""Find what was deleted or edited at Telegram while nobody looked.

Messages are asked for by their ids, so nothing is concluded from a page that might be short: Telegram answers each id
with the message, or says that it is empty. Only that counts as deleted, and only in an answer that is complete and in
which the other ids are messages of the same chat; ids of another numbering (an import of somebody else's account) prove
themselves by naming another chat. Where everything is gone, it must be gone twice.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from telethon.tl import functions, types
from telethon.utils import get_peer_id

from userbot.domain.messages import Chat, Message
from userbot.telegram.client import PatientClient
from userbot.telegram.errors import translated
from userbot.telegram.sender import Sender

logger = logging.getLogger(__name__)

WINDOW = 200
"""Newest messages of a chat that are compared: more than the model sees."""

_ASKED_AT_ONCE = 100
_LARGEST_ID = 2**31 - 1


@dataclass(frozen=True, slots=True)
class Changes:
    """What became of stored messages at Telegram.

    Args:
        deleted: Ids of those that are gone.
        edited: TL messages that were edited since they were stored.
    """

    deleted: tuple[int, ...] = ()
    edited: tuple[Any, ...] = ()


class VanishedCheck:
    """Compares stored messages with Telegram's by their ids.

    Args:
        client: Connected.
        sender: Addresses chats.
    """

    def __init__(self, client: PatientClient, sender: Sender) -> None:
        self._client = client
        self._sender = sender
        self._emptied: dict[int, frozenset[int]] = {}

    @property
    def is_in_doubt(self) -> bool:
        """Whether all messages of some chat seemed gone once, so that it should be asked again soon."""
        return bool(self._emptied)

    async def compare(self, chat: Chat, known: Sequence[Message]) -> Changes:
        """Return what was deleted and edited among stored messages of a chat.

        Args:
            chat: The chat.
            known: Stored messages.

        Raises:
            TelegramError: Telegram can't be asked.
        """
        stored = {message.id: message for message in known if 0 < message.id <= _LARGEST_ID}
        answers: dict[int, Any] = {}
        ids = sorted(stored)
        for start in range(0, len(ids), _ASKED_AT_ONCE):
            asked = ids[start : start + _ASKED_AT_ONCE]
            page = await self._ask(chat, asked)
            if sorted(page) != asked:
                logger.info("Telegram's answer on messages of chat %s is incomplete; it is asked again later", chat.id)
                return Changes()
            answers |= page
        gone = frozenset(number for number, raw in answers.items() if isinstance(raw, types.MessageEmpty))
        there = [raw for number, raw in answers.items() if number not in gone]
        if any(get_peer_id(raw.peer_id) != chat.id for raw in there):
            logger.warning("Stored messages of chat %s have ids of another account; they are not compared", chat.id)
            return Changes()
        if gone and not there and self._emptied.get(chat.id) != gone:
            self._emptied[chat.id] = gone
            return Changes()
        self._emptied.pop(chat.id, None)
        return Changes(tuple(sorted(gone)), tuple(raw for raw in there if _is_edited(raw, stored[raw.id])))

    async def _ask(self, chat: Chat, ids: list[int]) -> dict[int, Any]:
        peer = await self._sender.address(chat)
        inputs = [types.InputMessageID(number) for number in ids]
        if isinstance(peer, types.InputPeerChannel):
            channel = types.InputChannel(peer.channel_id, peer.access_hash)
            request = functions.channels.GetMessagesRequest(channel, inputs)
        else:
            request = functions.messages.GetMessagesRequest(inputs)
        with translated(f"compare messages of chat {chat.id}"):
            answer = await self._client(request)
        return {raw.id: raw for raw in getattr(answer, "messages", ())}


def _is_edited(raw: Any, stored: Message) -> bool:
    # A reaction is an edit that is hidden.
    edited_at = getattr(raw, "edit_date", None)
    if edited_at is None or getattr(raw, "edit_hide", False):
        return False
    return stored.edited_at is None or edited_at > stored.edited_at
