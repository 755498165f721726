"""Write to Telegram as the owner: the Messenger of the reply path."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from random import SystemRandom
from typing import Any

from telethon.errors import RandomIdDuplicateError
from telethon.tl import functions, types
from telethon.utils import resolve_id

from userbot.domain.errors import OfflineError, TelegramError
from userbot.domain.messages import Chat, Message, Origin
from userbot.domain.text import MAX_MESSAGE_CHARS, REPORT_WORD
from userbot.telegram.client import PatientClient
from userbot.telegram.convert import read_message
from userbot.telegram.dialogs import list_dialogs
from userbot.telegram.errors import translated
from userbot.telegram.traces import OwnTraces

logger = logging.getLogger(__name__)

messages, channels = functions.messages, functions.channels

# A duplicate is among the newest of its chat: only what arrived during its delivery is newer.
_SEARCHED_FOR_DUPLICATE = 50
_DELETED_AT_ONCE = 100
_CAPTION_CHARS_MAX = 1024
_random = SystemRandom()


class Sender:
    """Implement `userbot.reply.messenger.Messenger` over an open client.

    Chats are addressed by id and access hash, never by username: looking names up is what Telegram limits hardest.

    Args:
        client: Connected, or connecting again.
        traces: Notes everything that is done here, so that its echo is recognised (`userbot.reply.echo`).
        me_id: The owner's id.
    """

    def __init__(self, client: PatientClient, *, traces: OwnTraces, me_id: int) -> None:
        self._client = client
        self._traces = traces
        self._me_id = me_id
        self._listing = asyncio.Lock()
        self._listed = False

    async def send(self, chat: Chat, text: str, *, random_id: int, reply_to_id: int | None = None) -> Message:
        """Send a bubble.

        Telegram remembers `random_id`: sending it again delivers nothing and returns the first message.

        Args:
            chat: Where to.
            text: 1 to 4096 characters, sent as they are, without markup.
            random_id: Signed 64 bit, not 0.
            reply_to_id: Message of the chat to answer.

        Returns:
            The message as stored by Telegram, origin `clone`.

        Raises:
            FloodError: Nothing was sent; try again after the wait.
            OfflineError: It may have been sent or not; try again with the same `random_id`.
            SessionLostError: The session can't be used any more.
            TelegramError: Telegram refused it.
        """
        peer = await self.address(chat)
        return await self._send(peer, chat.id, text, random_id=random_id, reply_to_id=reply_to_id)

    async def show_typing(self, chat: Chat) -> None:
        """Show the clone as typing, for about six seconds.

        Raises:
            TelegramError: As in `send`.
        """
        peer = await self.address(chat)
        with translated(f"show typing in chat {chat.id}"):
            await self._client(messages.SetTypingRequest(peer, types.SendMessageTypingAction()))

    async def mark_read(self, chat: Chat, *, up_to_id: int) -> None:
        """Mark the contact's messages up to one as read.

        Raises:
            TelegramError: As in `send`.
        """
        peer = await self.address(chat)
        self._traces.note_read(chat.id, up_to_id)
        if isinstance(peer, types.InputPeerChannel):
            request = channels.ReadHistoryRequest(_input_channel(peer), up_to_id)
        else:
            request = messages.ReadHistoryRequest(peer, up_to_id)
        with translated(f"mark messages of chat {chat.id} as read"):
            await self._client(request)

    async def save_draft(self, chat: Chat, text: str) -> bool:
        """Put a text into the chat's draft box; "" empties it.

        A draft is replaced only if it is, word for word, one that the clone wrote.

        Returns:
            False where the owner has a draft already, which stays.

        Raises:
            TelegramError: As in `send`.
        """
        peer = await self.address(chat)
        with translated(f"save a draft in chat {chat.id}"):
            answer = await self._client(messages.GetPeerDialogsRequest([types.InputDialogPeer(peer)]))
            current = _draft_text(answer.dialogs)
            if current and not self._traces.is_draft(chat.id, current):
                return False
            self._traces.note_draft(chat.id, text)
            await self._client(messages.SaveDraftRequest(peer, text))
        return True

    async def clear_draft(self, chat: Chat, *, is_own: Callable[[str], bool]) -> bool:
        """Empty the chat's draft box if the text in it is the clone's.

        Args:
            chat: The chat; its id and access hash are enough.
            is_own: Tells whether a text is the clone's.

        Returns:
            Whether a draft was cleared.

        Raises:
            TelegramError: As in `send`.
        """
        peer = await self.address(chat)
        with translated(f"clear a draft in chat {chat.id}"):
            answer = await self._client(messages.GetPeerDialogsRequest([types.InputDialogPeer(peer)]))
            current = _draft_text(answer.dialogs)
            if not current or not is_own(current):
                return False
            self._traces.note_draft(chat.id, "")
            await self._client(messages.SaveDraftRequest(peer, ""))
        return True

    async def delete(self, chat: Chat, message_ids: Sequence[int]) -> None:
        """Delete messages for both sides.

        Raises:
            TelegramError: As in `send`; some of the messages may be deleted.
        """
        peer = await self.address(chat)
        for start in range(0, len(message_ids), _DELETED_AT_ONCE):
            ids = list(message_ids[start : start + _DELETED_AT_ONCE])
            if isinstance(peer, types.InputPeerChannel):
                request = channels.DeleteMessagesRequest(_input_channel(peer), ids)
            else:
                request = messages.DeleteMessagesRequest(ids, revoke=True)
            with translated(f"delete messages of chat {chat.id}"):
                await self._client(request)

    async def notify_owner(self, text: str) -> int | None:
        """Write to the owner's Saved Messages; a long text is sent as several messages.

        Each begins with the fixed word, so that a part of it, which may quote a contact's name, is no command.

        Returns:
            The id of the last message.

        Raises:
            TelegramError: As in `send`.
        """
        sent = None
        for piece in _split(text, MAX_MESSAGE_CHARS - len(REPORT_WORD) - 1):
            random_id = _random.getrandbits(63) or 1
            body = f"{REPORT_WORD} {piece}"
            sent = await self._send(types.InputPeerSelf(), self._me_id, body, random_id=random_id)
        return sent.id if sent is not None else None

    async def send_picture_to_owner(self, picture: Path, caption: str) -> None:
        """Send a picture to the owner's Saved Messages; a caption that is too long for Telegram is cut.

        Args:
            picture: Path of the picture.
            caption: Text below it, of which 1024 characters are sent.

        Raises:
            TelegramError: As in `send`.
        """
        caption = f"{REPORT_WORD} {caption}"[:_CAPTION_CHARS_MAX]
        with translated("upload a picture"):
            file = await self._client.upload_file(picture)
        media = types.InputMediaUploadedPhoto(file)
        random_id = _random.getrandbits(63) or 1
        request = messages.SendMediaRequest(types.InputPeerSelf(), media, caption, random_id=random_id)
        await self._deliver(request, self._me_id)

    async def address(self, chat: Chat) -> Any:
        """Return the TL input peer of a chat, from its id and access hash.

        Raises:
            TelegramError: The account's list of chats does not have it.
        """
        number, kind = resolve_id(chat.id)
        if chat.id == self._me_id:
            return types.InputPeerSelf()
        if kind is types.PeerChat:
            return types.InputPeerChat(number)
        if chat.access_hash is not None:
            make_peer = types.InputPeerUser if kind is types.PeerUser else types.InputPeerChannel
            return make_peer(number, chat.access_hash)
        with translated(f"find chat {chat.id}"):
            input_peer = await self._find_peer(kind(number))
        if input_peer is None:
            raise TelegramError(
                f"Chat {chat.id} is not in this account's list of chats, so it can't be addressed. "
                f"Write there once from Telegram itself, or switch it off: clone chats deny {chat.id}"
            )
        return input_peer

    async def _find_peer(self, peer: Any) -> Any:
        try:
            return await self._client.get_input_entity(peer)
        except ValueError:
            pass
        # An imported chat has no access hash. The list of chats has them all, and the session keeps them.
        async with self._listing:
            if not self._listed:
                await list_dialogs(self._client, self._me_id)
                self._listed = True
        try:
            return await self._client.get_input_entity(peer)
        except ValueError:
            return None

    async def _send(
        self, peer: Any, chat_id: int, text: str, *, random_id: int, reply_to_id: int | None = None
    ) -> Message:
        reply_to = None if reply_to_id is None else types.InputReplyToMessage(reply_to_id)
        request = messages.SendMessageRequest(peer, text, random_id=random_id, reply_to=reply_to)
        return await self._deliver(request, chat_id)

    async def _deliver(self, request: Any, chat_id: int) -> Message:
        peer, text = request.peer, request.message
        self._traces.expect(chat_id, text)
        try:
            with translated(f"send a message to chat {chat_id}"):
                try:
                    sent = self._read_answer(await self._client(request), request, chat_id)
                except RandomIdDuplicateError:
                    sent = await self._find_duplicate(peer, request, chat_id)
        except OfflineError:
            raise  # it may have arrived nevertheless, so its echo stays expected
        except TelegramError:
            self._traces.forget(chat_id, text)
            raise
        self._traces.confirm(chat_id, text, message_id=sent.id)
        return sent

    def _read_answer(self, answer: Any, request: Any, chat_id: int) -> Message:
        updates = getattr(answer, "updates", [])
        message_id = next(
            (
                one.id
                for one in updates
                if isinstance(one, types.UpdateMessageID) and one.random_id == request.random_id
            ),
            getattr(answer, "id", None),
        )
        for update in updates:
            raw = getattr(update, "message", None)
            if isinstance(raw, types.Message) and message_id in (None, raw.id):
                message = read_message(raw, self._me_id, entities={})
                if message is not None:
                    return replace(message, origin=Origin.CLONE)
        if message_id is None:
            raise OfflineError(
                f"Telegram's answer does not name the message sent to chat {chat_id}. It will be retried."
            )
        # In private chats, Telegram answers with the bare id and time.
        return Message(
            chat_id=chat_id,
            id=message_id,
            origin=Origin.CLONE,
            sent_at=answer.date,
            text=request.message.strip(),
            sender_id=self._me_id,
            reply_to_id=request.reply_to.reply_to_msg_id if request.reply_to else None,
        )

    async def _find_duplicate(self, peer: Any, request: Any, chat_id: int) -> Message:
        # Telegram has processed this random_id or is about to: the message is there, or will be in a moment.
        for raw in await self._client.get_messages(peer, limit=_SEARCHED_FOR_DUPLICATE):
            message = read_message(raw, self._me_id, entities={})
            if message and message.origin is Origin.OWNER and message.text.strip() == request.message.strip():
                return replace(message, origin=Origin.CLONE)
        raise OfflineError(f"A message to chat {chat_id} is still being sent (RANDOM_ID_DUPLICATE). Retrying.")


def _split(text: str, size: int) -> list[str]:
    return [text[start : start + size] for start in range(0, len(text), size)]


def _input_channel(peer: Any) -> Any:
    return types.InputChannel(peer.channel_id, peer.access_hash)


def _draft_text(dialogs: Sequence[Any]) -> str:
    draft = getattr(dialogs[0], "draft", None) if dialogs else None
    return str(getattr(draft, "message", "") or "")
