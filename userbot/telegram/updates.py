"""Telegram's updates -> events, in order. Nothing here waits, except to look up a chat never seen before."""

from __future__ import annotations

import asyncio
import logging
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from typing import Any

from telethon import events
from telethon.tl import types
from telethon.utils import get_peer_id

from userbot.domain.errors import CloneError
from userbot.domain.events import Arrived, ContactTyping, Deleted, Edited, Event, OwnerActive, OwnerOnline, Renamed
from userbot.domain.messages import Chat, Message, Origin
from userbot.telegram.client import PatientClient
from userbot.telegram.convert import is_automatic, read_chat, read_message
from userbot.telegram.errors import translated
from userbot.telegram.traces import OwnTraces
from userbot.telegram.typed import is_typed

logger = logging.getLogger(__name__)

LOOKUP_TIMEOUT_S = 15.0
_CONTENTS_KEPT = 5000
# The end of typing, and actions that are not the writing of a message.
_NOT_COMPOSING = (
    types.SendMessageCancelAction,
    types.SendMessageEmojiInteraction,
    types.SendMessageEmojiInteractionSeen,
    types.SendMessageGamePlayAction,
    types.SendMessageHistoryImportAction,
    types.SpeakingInGroupCallAction,
)


class UpdateReader:
    """Turn a client's updates into events.

    Args:
        client: Receives the updates; not connected yet.
        emit: Called with each event.
        traces: What the clone itself did.
        on_gap: Called when an update had to be dropped, so that the reconciler fetches its message.
    """

    def __init__(
        self,
        client: PatientClient,
        emit: Callable[[Event], None],
        *,
        traces: OwnTraces,
        on_gap: Callable[[], None],
    ) -> None:
        self._client = client
        self._emit = emit
        self._traces = traces
        self._me_id = 0
        self._begun = asyncio.Event()
        self._on_gap = on_gap
        self._chats: dict[int, Chat] = {}
        self._contents: OrderedDict[tuple[int, int], str] = OrderedDict()
        self._readers: dict[type, Callable[[Any], Awaitable[None] | None]] = {
            types.UpdateNewMessage: self._read_new,
            types.UpdateNewChannelMessage: self._read_new,
            types.UpdateShortMessage: self._read_short,
            types.UpdateShortChatMessage: self._read_short,
            types.UpdateEditMessage: self._read_edit,
            types.UpdateEditChannelMessage: self._read_edit,
            types.UpdateDeleteMessages: self._read_deletion,
            types.UpdateDeleteChannelMessages: self._read_deletion,
            types.UpdateUserTyping: self._read_typing,
            types.UpdateChatUserTyping: self._read_typing,
            types.UpdateChannelUserTyping: self._read_typing,
            types.UpdateReadHistoryInbox: self._read_reading,
            types.UpdateReadChannelInbox: self._read_reading,
            types.UpdateDraftMessage: self._read_draft,
            types.UpdateUserStatus: self._read_status,
            types.UpdateUserName: self._read_name,
        }

    def attach(self) -> None:
        """Listen; updates are queued until `begin`. Call it before the client connects, so that nothing is missed."""
        self._client.add_event_handler(self._read, events.Raw())

    def begin(self, me_id: int) -> None:
        """Read updates from now on, the queued ones first.

        Args:
            me_id: The owner's id.
        """
        self._me_id = me_id
        self._begun.set()

    def learn(self, entity: Any) -> Chat:
        """Remember a chat as Telegram describes it.

        Args:
            entity: A TL user, chat or channel.

        Returns:
            The chat, with the access hash that is known where the entity has none.
        """
        chat = read_chat(entity, self._me_id)
        known = self._chats.get(chat.id)
        if known is not None and chat.access_hash is None:
            chat = replace(chat, access_hash=known.access_hash, username=chat.username or known.username)
        for other in [one for one in self._chats.values() if _took_username(chat, one)]:
            self._chats[other.id] = replace(other, username=None)
        self._chats[chat.id] = chat
        return chat

    def recognise(self, message: Message) -> Message:
        """Return a message with the origin `clone` where the clone sent it; `userbot.reply.echo` states the rule."""
        is_own = message.origin is Origin.OWNER
        if is_own and self._traces.is_sent(message.chat_id, message.id, text=message.text):
            return replace(message, origin=Origin.CLONE)
        return message

    async def _read(self, update: Any) -> None:
        await self._begun.wait()
        reader = self._readers.get(type(update))
        if reader is None:
            return
        try:
            step = reader(update)
            if step is not None:
                await step
        except Exception:
            # One update that can't be read must not stop those after it.
            logger.exception(
                "An update can't be read (%s); the reconciler will fetch its message", type(update).__name__
            )
            self._on_gap()

    async def _read_new(self, update: Any) -> None:
        await self._arrive(update.message, _entities_of(update))

    async def _read_short(self, update: Any) -> None:
        await self._arrive(_expand(update, self._me_id), _entities_of(update))

    async def _arrive(self, raw: Any, entities: Mapping[int, Any]) -> None:
        message = read_message(raw, self._me_id, entities=entities)
        if message is None:
            return
        chat = await self._find_chat(message.chat_id, raw.peer_id, entities)
        if chat is None:
            self._on_gap()
            return
        self._note_content(message)
        self._emit(
            Arrived(
                chat=chat,
                message=self.recognise(message),
                mentions_owner=bool(raw.mentioned),
                automatic=is_automatic(raw),
                typed=message.chat_id == self._me_id and is_typed(raw, self._me_id),
            )
        )

    def _read_edit(self, update: Any) -> None:
        message = read_message(update.message, self._me_id, entities=_entities_of(update))
        # Reactions and link previews come as edits as well: they are hidden, or change nothing that is stored.
        if message is None or message.edited_at is None:
            return
        if self._note_content(message):
            self._emit(Edited(message=self.recognise(message)))

    def _read_deletion(self, update: Any) -> None:
        channel = getattr(update, "channel_id", None)
        chat_id = None if channel is None else get_peer_id(types.PeerChannel(channel))
        self._emit(Deleted(message_ids=tuple(update.messages), chat_id=chat_id))

    def _read_typing(self, update: Any) -> None:
        if isinstance(update.action, _NOT_COMPOSING):
            return
        chat_id = _typing_chat_id(update)
        sender_id = chat_id if isinstance(update, types.UpdateUserTyping) else get_peer_id(update.from_id)
        if sender_id != self._me_id:
            self._emit(ContactTyping(chat_id=chat_id))

    def _read_reading(self, update: Any) -> None:
        peer = update.peer if hasattr(update, "peer") else types.PeerChannel(update.channel_id)
        chat_id = get_peer_id(peer)
        if not _is_replay(update) and not self._traces.is_read(chat_id, update.max_id):
            self._emit(OwnerActive(chat_id=chat_id, action="read"))

    def _read_draft(self, update: Any) -> None:
        chat_id = get_peer_id(update.peer)
        text = getattr(update.draft, "message", "")
        if not text:
            self._traces.note_draft(chat_id, "")
        elif not _is_replay(update) and not self._traces.is_draft(chat_id, text):
            self._emit(OwnerActive(chat_id=chat_id, action="draft"))

    def _read_name(self, update: Any) -> None:
        title = " ".join(part for part in (update.first_name, update.last_name) if part)
        username = next((name.username for name in update.usernames if name.active), None)
        known = self._chats.get(update.user_id)
        if known is not None:
            self._chats[known.id] = replace(known, title=title or known.title, username=username)
        if update.user_id != self._me_id:
            self._emit(Renamed(chat_id=update.user_id, title=title, username=username))

    def _read_status(self, update: Any) -> None:
        if update.user_id == self._me_id:
            self._emit(OwnerOnline(online=isinstance(update.status, types.UserStatusOnline)))

    async def _find_chat(self, chat_id: int, peer: Any, entities: Mapping[int, Any]) -> Chat | None:
        entity = entities.get(chat_id)
        if entity is not None and not (getattr(entity, "min", False) and chat_id in self._chats):
            return self.learn(entity)
        if chat_id in self._chats:
            return self._chats[chat_id]
        try:
            with translated("look a chat up"):
                async with asyncio.timeout(LOOKUP_TIMEOUT_S):
                    return self.learn(await self._client.get_entity(peer))
        except (CloneError, ValueError) as exc:
            logger.warning("Chat %s is unknown (%s); the reconciler will fetch its message", chat_id, exc)
            return None

    def _note_content(self, message: Message) -> bool:
        """Remember what a message says; return whether that is new."""
        key = (message.chat_id, message.id)
        changed = self._contents.get(key) != message.content
        self._contents[key] = message.content
        while len(self._contents) > _CONTENTS_KEPT:
            self._contents.popitem(last=False)
        return changed


def _took_username(chat: Chat, other: Chat) -> bool:
    same = chat.username is not None and (other.username or "").casefold() == chat.username.casefold()
    return same and other.id != chat.id


def _entities_of(update: Any) -> Mapping[int, Any]:
    return getattr(update, "_entities", None) or {}


def _is_replay(update: Any) -> bool:
    return bool(getattr(update, "is_replay", False))


def _typing_chat_id(update: Any) -> int:
    match update:
        case types.UpdateUserTyping():
            return int(update.user_id)
        case types.UpdateChatUserTyping():
            return int(get_peer_id(types.PeerChat(update.chat_id)))
    return int(get_peer_id(types.PeerChannel(update.channel_id)))


def _expand(short: Any, me_id: int) -> Any:
    """Return the whole message of an update in Telegram's short form."""
    private = isinstance(short, types.UpdateShortMessage)
    peer = types.PeerUser(short.user_id) if private else types.PeerChat(short.chat_id)
    writer = (me_id if short.out else short.user_id) if private else short.from_id
    return types.Message(
        id=short.id,
        peer_id=peer,
        from_id=types.PeerUser(writer),
        date=short.date,
        message=short.message,
        out=short.out,
        mentioned=short.mentioned,
        silent=short.silent,
        fwd_from=short.fwd_from,
        via_bot_id=short.via_bot_id,
        reply_to=short.reply_to,
        entities=short.entities,
    )
