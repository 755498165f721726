"""Telegram's objects -> our values.

A live message must come out exactly as an importer reads it from an export: both have the same key, and the model is
trained on one and answers the other.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from telethon.tl import types
from telethon.utils import get_display_name, get_peer_id

from userbot.domain.messages import Chat, ChatKind, Message, Origin
from userbot.domain.placeholders import Kind, write_audio, write_placeholder, write_sticker, write_timed
from userbot.domain.telegram_ids import SERVICE_IDS

_WITHOUT_DETAIL = {
    types.MessageMediaPhoto: Kind.PHOTO,
    types.MessageMediaGeo: Kind.LOCATION,
    types.MessageMediaGeoLive: Kind.LIVE_LOCATION,
    types.MessageMediaContact: Kind.CONTACT,
    types.MessageMediaInvoice: Kind.INVOICE,
    types.MessageMediaPaidMedia: Kind.PAID_MEDIA,
    types.MessageMediaGiveaway: Kind.GIVEAWAY,
    types.MessageMediaGiveawayResults: Kind.GIVEAWAY,
    types.MessageMediaStory: Kind.STORY,
}


GENERAL_TOPIC = 1
"""Root of a forum's general topic: the message that made the supergroup."""


def read_chat(entity: Any, me_id: int) -> Chat:
    """Return a chat as Telegram describes it; mode, consent and the like are defaults.

    Args:
        entity: A TL user, chat or channel, whole or forbidden.
        me_id: The owner's id.
    """
    names = [entity.username] if getattr(entity, "username", None) else []
    names += [name.username for name in getattr(entity, "usernames", None) or () if name.active]
    return Chat(
        id=get_peer_id(entity),
        kind=_kind(entity, me_id),
        title=_title(entity, me_id),
        username=names[0] if names else None,
        # The hash of a `min` entity opens only the place where it was seen.
        access_hash=None if getattr(entity, "min", False) else getattr(entity, "access_hash", None),
    )


def read_message(message: Any, me_id: int, *, entities: Mapping[int, Any]) -> Message | None:
    """Return a message, or None for one without content of its own: service messages, and empty ones.

    Args:
        message: A TL message.
        me_id: The owner's id.
        entities: Known users and chats by marked id, for the sender's name.
    """
    if not isinstance(message, types.Message):
        return None
    chat_id = get_peer_id(message.peer_id)
    sender_id = _sender_id(message, chat_id, me_id)
    sender = entities.get(sender_id) if sender_id is not None else None
    text, media = message.message or "", describe_media(message.media)
    if not text and media is None:
        return None
    reply_to_id, topic_id = _read_reply(message.reply_to)
    return Message(
        chat_id=chat_id,
        id=message.id,
        origin=Origin.OWNER if sender_id == me_id or message.out else Origin.CONTACT,
        sent_at=_utc(message.date),
        text=text,
        media=media,
        sender_id=sender_id,
        sender_name=(get_display_name(sender) or None) if sender is not None else None,
        reply_to_id=reply_to_id,
        topic_id=topic_id,
        forwarded=message.fwd_from is not None,
        via_bot=_is_by_bot(message),
        edited_at=_utc(message.edit_date) if message.edit_date and not message.edit_hide else None,
    )


def read_fetched(message: Any, me_id: int) -> Message | None:
    """Return a message that Telethon fetched, and which therefore knows its sender; None as in `read_message`.

    Args:
        message: Telethon's message, not a plain TL one.
        me_id: The owner's id.
    """
    entities = {message.sender_id: message.sender} if message.sender is not None else {}
    return read_message(message, me_id, entities=entities)


def is_automatic(message: Any) -> bool:
    """Tell whether Telegram sent an own message automatically: scheduled, away, greeting, or by a business bot."""
    return bool(message.from_scheduled or message.offline or message.via_business_bot_id)


def describe_media(media: Any) -> str | None:
    """Return the placeholder of an attachment; None without one, and for link previews."""
    match media:
        case None | types.MessageMediaEmpty() | types.MessageMediaWebPage():
            return None
        case types.MessageMediaDocument():
            return _describe_document(media)
        case types.MessageMediaVenue():
            return write_placeholder(Kind.LOCATION, media.title)
        case types.MessageMediaGame():
            return write_placeholder(Kind.GAME, media.game.title)
        case types.MessageMediaPoll():
            return write_placeholder(Kind.POLL, media.poll.question.text)
        case types.MessageMediaToDo():
            return write_placeholder(Kind.TO_DO, media.todo.title.text)
        case types.MessageMediaDice():
            return str(media.emoticon)
    return write_placeholder(_WITHOUT_DETAIL.get(type(media), Kind.ATTACHMENT))


def _describe_document(media: Any) -> str:
    # In the order of Telegram's own export, which decides where several apply.
    attributes = {type(one): one for one in getattr(media.document, "attributes", None) or ()}
    audio = attributes.get(types.DocumentAttributeAudio)
    video = attributes.get(types.DocumentAttributeVideo)
    if types.DocumentAttributeSticker in attributes:
        return write_sticker(attributes[types.DocumentAttributeSticker].alt)
    if media.round or (video is not None and video.round_message):
        return _write_timed(Kind.VIDEO_MESSAGE, video)
    if media.voice or (audio is not None and audio.voice):
        return _write_timed(Kind.VOICE, audio)
    if types.DocumentAttributeAnimated in attributes:
        return write_placeholder(Kind.GIF)
    if video is not None or media.video:
        return _write_timed(Kind.VIDEO, video)
    if audio is not None:
        return write_audio(audio.performer, audio.title, seconds=int(audio.duration))
    name = attributes.get(types.DocumentAttributeFilename)
    return write_placeholder(Kind.FILE, name and name.file_name)


def _write_timed(kind: Kind, attribute: Any) -> str:
    return write_timed(kind, None if attribute is None else int(attribute.duration))


def _is_by_bot(message: Any) -> bool:
    # An away message repeats a template, so it is as little the owner's words as a bot's message.
    return bool(message.via_bot_id or message.via_business_bot_id or message.guestchat_via_from or message.offline)


def _kind(entity: Any, me_id: int) -> ChatKind:
    match entity:
        case types.User():
            if entity.id == me_id:
                return ChatKind.SAVED
            if entity.id in SERVICE_IDS or entity.support or entity.deleted:
                return ChatKind.SERVICE
            return ChatKind.BOT if entity.bot else ChatKind.PRIVATE
        case types.UserEmpty():
            return ChatKind.SERVICE
        case types.Channel():
            return ChatKind.GROUP if entity.megagroup and not entity.monoforum else ChatKind.CHANNEL
        case types.ChannelForbidden():
            return ChatKind.GROUP if entity.megagroup else ChatKind.CHANNEL
    return ChatKind.GROUP


def _title(entity: Any, me_id: int) -> str:
    if entity.id == me_id and isinstance(entity, types.User):
        return "Saved Messages"
    if getattr(entity, "deleted", False):
        return "Deleted Account"
    return get_display_name(entity) or getattr(entity, "username", None) or str(entity.id)


def _sender_id(message: Any, chat_id: int, me_id: int) -> int | None:
    # In private chats Telegram often leaves the sender out: it is the contact, or the owner.
    if message.from_id is not None:
        return int(get_peer_id(message.from_id))
    if chat_id > 0:
        own = message.out or (chat_id == me_id and message.fwd_from is None)
        return me_id if own else chat_id
    return chat_id


def _read_reply(header: Any) -> tuple[int | None, int | None]:
    if not isinstance(header, types.MessageReplyHeader):
        return None, None
    if not header.forum_topic:
        return (None if header.reply_to_peer_id is not None else header.reply_to_msg_id), None
    # In a topic, a message that answers nothing still points at the topic's root.
    if header.reply_to_top_id is None:
        return None, _name_topic(header.reply_to_msg_id)
    return header.reply_to_msg_id, _name_topic(header.reply_to_top_id)


def _name_topic(root_id: int | None) -> int | None:
    # The general topic is named by its root in some messages, and not named in most.
    return None if root_id == GENERAL_TOPIC else root_id


def _utc(moment: datetime) -> datetime:
    return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)
