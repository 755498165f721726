"""What people do: send, edit, delete, forward, read, type, draft. Each verb notifies everybody concerned."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from telethon.errors import RPCError
from telethon.tl import types
from telethon.utils import resolve_id

from userbot.loopback.mtproto.session import Session
from userbot.loopback.world import render
from userbot.loopback.world.delivery import Delivery
from userbot.loopback.world.state import Box, Channel, Event, EventKind, StoredMessage, User, World

_MENTION = re.compile(r"@(\w{3,32})")
_LINK = re.compile(r"https?://\S+")
_MESSAGE_CHARS_MAX = 4096


@dataclass(frozen=True, slots=True)
class Outgoing:
    """A message about to be written; `reply_to_id` is an id in the writer's box."""

    text: str = ""
    reply_to_id: int | None = None
    forward: Any = None
    media: Any = None
    entities: tuple[Any, ...] = ()
    action: Any = None
    date: datetime | None = None
    fields: Mapping[str, Any] = field(default_factory=dict)


class Actions:
    """The verbs of the loopback Telegram, used by its handlers and by its scripting interface alike.

    `origin` is always the session that asked, which gets its answer and no update; None for scripted actions. Each verb
    raises RPCError as Telegram would.
    """

    def __init__(self, world: World, delivery: Delivery) -> None:
        self._world = world
        self._delivery = delivery

    def send(
        self, sender: User, chat_id: int, outgoing: Outgoing, *, origin: Session | None = None
    ) -> tuple[StoredMessage, Event]:
        """Write a message to every member's box; return the sender's copy and its event."""
        members = self._world.members(sender, chat_id)
        self._check_sendable(members, chat_id, outgoing)
        uid, date = self._world.next_uid(), (outgoing.date or self._world.now()).replace(microsecond=0)
        if chat_id in self._world.channels:
            box = self._world.channels[chat_id].box
            stored = self._copy(box, outgoing, uid=uid, chat_id=chat_id, sender=sender, date=date)
            stored.mentioned_ids = self._mentioned(box, stored, members)
            event = box.add(stored)
            for member in members:
                self._delivery.event(member, event, origin)
            return stored, event
        results = []
        for member in members:
            own_chat_id = self._world.chat_id_for(member, sender=sender, chat_id=chat_id)
            stored = self._copy(member.box, outgoing, uid=uid, chat_id=own_chat_id, sender=sender, date=date)
            stored.reply_to_id = self._translate(outgoing.reply_to_id, sender.box, member.box)
            if chat_id < 0:
                stored.mentioned_ids = self._mentioned(member.box, stored, members)
            event = member.box.add(stored)
            results.append((stored, event))
            self._delivery.event(member, event, origin)
        return results[0]

    def forward(
        self,
        actor: User,
        from_id: int,
        message_ids: list[int],
        *,
        to_id: int,
        hidden: bool = False,
        origin: Session | None = None,
    ) -> list[tuple[StoredMessage, Event]]:
        """Copy messages to another chat with a note of where they come from; return the actor's copies.

        Args:
            actor: Who forwards.
            from_id: Where the messages are.
            message_ids: Their ids in the actor's box.
            to_id: Where they go.
            hidden: Their authors forbid a link to their accounts, so that the note has a name only.
            origin: The session that asked.
        """
        source = self._world.box(actor, from_id).messages
        if not all(number in source and source[number].chat_id == from_id for number in message_ids):
            raise RPCError(None, "MESSAGE_ID_INVALID", 400)
        copies = []
        for original in [source[number] for number in message_ids]:
            header = _forward_header(original, to_self=to_id == actor.user_id)
            if hidden:
                author = self._world.users[original.sender_id].first_name
                header = types.MessageFwdHeader(original.date, from_name=author)
            outgoing = Outgoing(original.text, forward=header, media=original.media, entities=tuple(original.entities))
            copies.append(self.send(actor, to_id, outgoing, origin=origin))
        return copies

    def edit(
        self, editor: User, chat_id: int, message_id: int, *, text: str, origin: Session | None = None
    ) -> tuple[StoredMessage, Event]:
        """Change the text of an own message for everybody; return the editor's copy and its event."""
        own = self._world.box(editor, chat_id).messages.get(message_id)
        if own is None or own.chat_id != chat_id:
            raise RPCError(None, "MESSAGE_ID_INVALID", 400)
        if own.sender_id != editor.user_id:
            raise RPCError(None, "MESSAGE_AUTHOR_REQUIRED", 403)
        if own.text == text:
            raise RPCError(None, "MESSAGE_NOT_MODIFIED", 400)
        result: tuple[StoredMessage, Event] | None = None
        seen: dict[int, Event] = {}
        for member in self._world.members(editor, chat_id):
            box = self._world.box(member, chat_id)
            copy_id = box.by_uid.get(own.uid)
            if copy_id is None:
                continue
            stored = box.messages[copy_id]
            if id(box) not in seen:
                stored.text, stored.entities = text, _entities(text)
                stored.edit_date = self._world.now().replace(microsecond=0)
                seen[id(box)] = box.record(EventKind.EDIT, stored.chat_id, [copy_id])
            self._delivery.event(member, seen[id(box)], origin)
            result = result or (stored, seen[id(box)])
        if result is None:
            raise RPCError(None, "MESSAGE_ID_INVALID", 400)
        return result

    def delete(
        self, actor: User, message_ids: list[int], *, revoke: bool, origin: Session | None = None
    ) -> Event | None:
        """Delete messages of private chats and basic groups; return the actor's event, or None if nothing was there.

        Args:
            actor: Whose ids these are.
            message_ids: Ids in the actor's box.
            revoke: Delete them for everybody else as well.
            origin: The session that asked.
        """
        removed = actor.box.remove(message_ids)
        if not removed:
            return None
        event = actor.box.record(EventKind.DELETE, removed[0].chat_id, [item.id for item in removed])
        self._delivery.event(actor, event, origin)
        if revoke:
            uids = {item.uid for item in removed}
            for other in self._world.users.values():
                gone = other.box.remove([other.box.by_uid[uid] for uid in uids if uid in other.box.by_uid])
                if gone:
                    theirs = other.box.record(EventKind.DELETE, gone[0].chat_id, [item.id for item in gone])
                    self._delivery.event(other, theirs, None)
        return event

    def delete_in_channel(
        self, actor: User, chat_id: int, message_ids: list[int], *, origin: Session | None = None
    ) -> Event | None:
        """Delete messages of a channel for all its members."""
        box = self._world.channels[chat_id].box
        removed = box.remove(message_ids)
        if not removed:
            return None
        event = box.record(EventKind.DELETE, chat_id, [item.id for item in removed])
        for member in self._world.members(actor, chat_id):
            self._delivery.event(member, event, origin)
        return event

    def read(self, reader: User, chat_id: int, *, max_id: int = 0, origin: Session | None = None) -> Event | None:
        """Mark a chat as read up to `max_id`, 0 for all; return the reader's event, or None if nothing was unread."""
        box, dialog = self._world.box(reader, chat_id), reader.dialog(chat_id)
        reached = [number for number in box.chats.get(chat_id, []) if not max_id or number <= max_id]
        if not reached or reached[-1] <= dialog.read_inbox_id:
            return None
        dialog.read_inbox_id = reached[-1]
        unread = self._world.unread(reader, chat_id)
        if chat_id in self._world.channels:
            number, _ = resolve_id(chat_id)
            update = types.UpdateReadChannelInbox(number, reached[-1], unread, box.pts)
            self._delivery.update(reader, update, [chat_id], origin=origin)
            return None
        event = box.record(EventKind.READ_INBOX, chat_id, [reached[-1]], unread=unread)
        self._delivery.event(reader, event, origin)
        uid = box.messages[reached[-1]].uid
        for writer in self._world.members(reader, chat_id)[1:]:
            self._mark_outbox(writer, self._world.chat_id_for(writer, sender=reader, chat_id=chat_id), uid=uid)
        return event

    def save_draft(self, owner: User, chat_id: int, text: str, *, origin: Session | None = None) -> None:
        """Set, or with an empty text clear, the draft of a chat on all devices of its owner."""
        dialog = owner.dialog(chat_id)
        if dialog.draft == text:
            return
        dialog.draft, dialog.draft_date = text, self._world.now().replace(microsecond=0)
        owner.drafts_log.append((dialog.draft_date, chat_id, origin and origin.authorization))
        update = types.UpdateDraftMessage(render.peer(chat_id), render.draft(dialog))
        self._delivery.update(owner, update, [chat_id], origin=origin, sequenced=True)

    def typing(self, sender: User, chat_id: int, action: Any) -> None:
        """Show `sender` as typing, or whatever the action says, to the others in a chat."""
        number, _ = resolve_id(chat_id)
        for member in self._world.members(sender, chat_id)[1:]:
            if chat_id > 0:
                update = types.UpdateUserTyping(sender.user_id, action)
            elif chat_id in self._world.channels:
                update = types.UpdateChannelUserTyping(number, types.PeerUser(sender.user_id), action)
            else:
                update = types.UpdateChatUserTyping(number, types.PeerUser(sender.user_id), action)
            self._delivery.short(member, update)

    def rename(self, user: User, *, first_name: str, last_name: str, username: str | None) -> None:
        """Change an account's name and username, and show them to those who have a chat with it."""
        others: list[User | Channel] = [*self._world.users.values(), *self._world.channels.values()]
        taken = {(one.username or "").lower() for one in others if one is not user}
        if username and username.lower() in taken:
            raise RPCError(None, "USERNAME_OCCUPIED", 400)
        user.first_name, user.last_name, user.username = first_name, last_name, username
        names = [types.Username(username, editable=True, active=True)] if username else []
        update = types.UpdateUserName(user.user_id, first_name, last_name, names)
        for other in self._world.users.values():
            if other is user or user.user_id in other.box.chats:
                self._delivery.update(other, update, [user.user_id])

    def appear(self, user: User, *, online: bool) -> None:
        """Show an account as online or offline to those who have a chat with it."""
        self._world.appear(user, online=online)
        update = types.UpdateUserStatus(user.user_id, render.status(user, self._world.now()))
        for other in self._world.users.values():
            if other is user or user.user_id in other.box.chats:
                self._delivery.short(other, update)

    def _mark_outbox(self, writer: User, chat_id: int, *, uid: int) -> None:
        own = 0
        for number in reversed(writer.box.chats.get(chat_id, [])):
            stored = writer.box.messages[number]
            if stored.uid <= uid and stored.sender_id == writer.user_id:
                own = number
                break
        dialog = writer.dialog(chat_id)
        if own > dialog.read_outbox_id:
            dialog.read_outbox_id = own
            self._delivery.event(writer, writer.box.record(EventKind.READ_OUTBOX, chat_id, [own]))

    def _check_sendable(self, members: list[User], chat_id: int, outgoing: Outgoing) -> None:
        if not outgoing.text.strip() and outgoing.media is None and outgoing.action is None:
            raise RPCError(None, "MESSAGE_EMPTY", 400)
        if len(outgoing.text) > _MESSAGE_CHARS_MAX:
            raise RPCError(None, "MESSAGE_TOO_LONG", 400)
        if chat_id > 0 and members[-1].deleted:
            raise RPCError(None, "INPUT_USER_DEACTIVATED", 400)

    def _copy(
        self, box: Box, outgoing: Outgoing, *, uid: int, chat_id: int, sender: User, date: datetime
    ) -> StoredMessage:
        return StoredMessage(
            box.last_id + 1,
            uid,
            chat_id,
            sender.user_id,
            outgoing.text,
            date,
            reply_to_id=outgoing.reply_to_id,
            forward=outgoing.forward,
            media=outgoing.media,
            entities=list(outgoing.entities) or _entities(outgoing.text),
            action=outgoing.action,
            fields=outgoing.fields,
        )

    def _translate(self, message_id: int | None, source: Box, target: Box) -> int | None:
        if message_id is None or message_id not in source.messages:
            return None
        return target.by_uid.get(source.messages[message_id].uid)

    def _mentioned(self, box: Box, stored: StoredMessage, members: list[User]) -> frozenset[int]:
        """Return the ids of those whom a message names or answers, without its writer."""
        names = {name.lower() for name in _MENTION.findall(stored.text)}
        named = {member.user_id for member in members if (member.username or "").lower() in names}
        replied = box.messages.get(stored.reply_to_id or 0)
        return frozenset(named | ({replied.sender_id} if replied else set())) - {stored.sender_id}


def _forward_header(original: StoredMessage, *, to_self: bool) -> Any:
    if original.forward is not None and not to_self:
        return original.forward
    return types.MessageFwdHeader(
        original.date,
        from_id=types.PeerUser(original.sender_id),
        saved_from_peer=render.peer(original.chat_id) if to_self else None,
        saved_from_msg_id=original.id if to_self else None,
    )


def _entities(text: str) -> list[Any]:
    """Return the mentions and links that the server itself finds in a text; offsets count UTF-16 units."""
    entities: list[Any] = []
    for pattern, kind in ((_MENTION, types.MessageEntityMention), (_LINK, types.MessageEntityUrl)):
        for match in pattern.finditer(text):
            offset, length = (len(part.encode("utf-16-le")) // 2 for part in (text[: match.start()], match[0]))
            entities.append(kind(offset, length))
    return entities
