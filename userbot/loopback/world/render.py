"""Stored state -> TL objects, as one account sees it."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any

from telethon.tl import types
from telethon.utils import resolve_id

from userbot.loopback.world.state import Channel, Dialog, Event, EventKind, StoredMessage, User, World

_LONG_AGO = timedelta(days=3)


def peer(chat_id: int) -> Any:
    """Return the PeerUser, PeerChat or PeerChannel of a marked id."""
    number, kind = resolve_id(chat_id)
    return kind(number)


def user(shown: User, viewer: User | None, now: datetime) -> Any:
    """Return an account as `viewer` sees it: phone numbers of contacts and of oneself only."""
    if shown.deleted:
        return types.User(shown.user_id, deleted=True, access_hash=shown.access_hash)
    near = viewer is None or shown is viewer or shown.user_id in viewer.contacts
    return types.User(
        shown.user_id,
        is_self=shown is viewer,
        contact=viewer is not None and shown.user_id in viewer.contacts,
        mutual_contact=viewer is not None and near and viewer.user_id in shown.contacts,
        bot=shown.bot,
        bot_info_version=1 if shown.bot else None,
        access_hash=shown.access_hash,
        first_name=shown.first_name,
        last_name=shown.last_name or None,
        username=shown.username,
        phone=shown.phone if near else None,
        status=None if shown.bot else status(shown, now),
    )


def status(shown: User, now: datetime) -> Any:
    """Return the TL status that says when an account was last seen."""
    if shown.online_until is not None and shown.online_until > now:
        return types.UserStatusOnline(shown.online_until)
    if shown.last_seen is None:
        return types.UserStatusEmpty()
    return types.UserStatusRecently() if now - shown.last_seen > _LONG_AGO else types.UserStatusOffline(shown.last_seen)


def chat(world: World, chat_id: int) -> Any:
    """Return a basic group or a channel."""
    number, _ = resolve_id(chat_id)
    if chat_id in world.groups:
        group = world.groups[chat_id]
        return types.Chat(number, group.title, types.ChatPhotoEmpty(), len(group.member_ids), group.date, 1)
    shown: Channel = world.channels[chat_id]
    return types.Channel(
        number,
        shown.title,
        types.ChatPhotoEmpty(),
        shown.date,
        broadcast=not shown.megagroup,
        megagroup=shown.megagroup,
        access_hash=shown.access_hash,
        username=shown.username,
        participants_count=len(shown.member_ids),
    )


def message(stored: StoredMessage, viewer: User) -> Any:
    """Return a message; in private chats only the viewer's own messages name their sender, as on Telegram."""
    out = stored.sender_id == viewer.user_id
    named = stored.chat_id < 0 or out
    common: dict[str, Any] = {
        "id": stored.id,
        "peer_id": peer(stored.chat_id),
        "date": stored.date,
        "out": out,
        "from_id": types.PeerUser(stored.sender_id) if named else None,
        "reply_to": types.MessageReplyHeader(reply_to_msg_id=stored.reply_to_id) if stored.reply_to_id else None,
        "mentioned": viewer.user_id in stored.mentioned_ids,
        **stored.fields,
    }
    if stored.action is not None:
        return types.MessageService(**common, action=stored.action)
    return types.Message(
        **common,
        message=stored.text,
        fwd_from=stored.forward,
        media=stored.media,
        entities=stored.entities or None,
        edit_date=stored.edit_date,
    )


def update(world: World, event: Event, viewer: User) -> Any | None:
    """Return the update that shows an event to `viewer`, or None when its message is gone by now."""
    numbers = {"pts": event.pts, "pts_count": event.pts_count}
    if event.chat_id in world.channels:
        return _channel_update(world, event, viewer)
    match event.kind:
        case EventKind.NEW | EventKind.EDIT:
            stored = viewer.box.messages.get(event.message_ids[0])
            if stored is None:
                return None
            kind = types.UpdateNewMessage if event.kind is EventKind.NEW else types.UpdateEditMessage
            return kind(message(stored, viewer), **numbers)
        case EventKind.DELETE:
            return types.UpdateDeleteMessages(list(event.message_ids), **numbers)
        case EventKind.READ_INBOX:
            return types.UpdateReadHistoryInbox(peer(event.chat_id), event.message_ids[0], event.unread, **numbers)
        case EventKind.READ_OUTBOX:
            return types.UpdateReadHistoryOutbox(peer(event.chat_id), event.message_ids[0], **numbers)


def short_update(update: Any) -> Any | None:
    """Return the short form, without users, of a new text in a private chat; None for any other update."""
    if not isinstance(update, types.UpdateNewMessage) or not isinstance(update.message.peer_id, types.PeerUser):
        return None
    new = update.message
    if isinstance(new, types.MessageService) or new.media is not None or new.fwd_from is not None:
        return None
    return types.UpdateShortMessage(
        new.id,
        new.peer_id.user_id,
        new.message,
        update.pts,
        update.pts_count,
        new.date,
        out=new.out,
        silent=new.silent,
        reply_to=new.reply_to,
        entities=new.entities,
    )


def _channel_update(world: World, event: Event, viewer: User) -> Any | None:
    number, _ = resolve_id(event.chat_id)
    if event.kind is EventKind.DELETE:
        return types.UpdateDeleteChannelMessages(number, list(event.message_ids), event.pts, event.pts_count)
    stored = world.channels[event.chat_id].box.messages.get(event.message_ids[0])
    if stored is None:
        return None
    kind = types.UpdateNewChannelMessage if event.kind is EventKind.NEW else types.UpdateEditChannelMessage
    return kind(message(stored, viewer), event.pts, event.pts_count)


def draft(dialog: Dialog) -> Any:
    """Return a chat's draft, which may be empty."""
    if not dialog.draft:
        return types.DraftMessageEmpty(dialog.draft_date)
    return types.DraftMessage(dialog.draft, dialog.draft_date)


def companions(
    world: World, viewer: User, stored: Iterable[StoredMessage], chat_ids: Iterable[int] = ()
) -> dict[str, Any]:
    """Return the `users` and `chats` that objects about these messages and chats have to carry."""
    user_ids: dict[int, None] = {}
    shown: dict[int, None] = {}
    for chat_id in chat_ids:
        (user_ids if chat_id > 0 else shown)[chat_id] = None
    for item in stored:
        (user_ids if item.chat_id > 0 else shown)[item.chat_id] = None
        user_ids[item.sender_id] = None
        origin = getattr(item.forward, "from_id", None)
        if isinstance(origin, types.PeerUser):
            user_ids[origin.user_id] = None
    now = world.now()
    return {
        "users": [user(world.users[number], viewer, now) for number in user_ids if number in world.users],
        "chats": [chat(world, chat_id) for chat_id in shown],
    }
