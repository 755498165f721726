"""Rows of Instagram's and Messenger's threads -> messages."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Any

from userbot.domain.messages import Chat, ChatKind, Message, Origin
from userbot.domain.placeholders import Kind, write_file, write_placeholder, write_timed
from userbot.importers.reading.names import MessageIds

_MEDIA = {"photos": Kind.PHOTO, "videos": Kind.VIDEO, "gifs": Kind.GIF, "sticker": Kind.STICKER}
_EDITED = re.compile(r" \((?:edited|изменено|bearbeitet|editado|modifié|modificato)\)$")
# English exports: what stands after the sender's name, or after "You" in encrypted chats.
_NOTICE = re.compile(
    r"^(?:missed (?:your|a|an) .{0,20}call|called you|started (?:a|an) .{0,20}call|created the poll:|voted for |"
    r"changed the (?:theme|emoji|chat theme|group photo)|set the (?:emoji|nickname)|named the group|pinned a message|"
    r"set (?:your|his|her|their|own) nickname|removed a message|turned (?:on|off) )",
    re.IGNORECASE,
)
_SENT = re.compile(r"^(?:You|.{1,80}) sent an? (?:GIF|photo|video|sticker|voice message|link|location|attachment)\.?$")

_FIRST_MILLISECONDS = 10**11
"""1973 in milliseconds, the year 5138 in seconds."""

_CALLS = ("call", "subscribe", "unsubscribe")
# What the app writes in the sender's name, in English exports; nobody typed it.
_SHARED = (
    "sent an attachment.",
    "shared a story.",
    "shared a link.",
    "sent a link.",
    "sent a photo.",
    "sent a video.",
    "sent a voice message.",
    "sent a GIF.",
    "sent a sticker.",
)


def mend(text: Any) -> str:
    """Undo UTF-8 bytes written as characters.

    Returns:
        The mended text; the text itself where it was not broken; "" for anything that is not text.
    """
    if not isinstance(text, str):
        return ""
    try:
        return text.encode("latin-1").decode("utf-8")
    except UnicodeError:
        return text


def read_sender(row: Any) -> str:
    """Return the name of a row's sender; "" if the row does not say."""
    return mend(row.get("sender_name") or row.get("senderName")) if isinstance(row, dict) else ""


def convert_row(row: Any, chat: Chat, owner: str | None, ids: MessageIds) -> Message | str:
    """Return the message that a row holds, or why it holds none.

    Args:
        row: An element of a thread's `messages`, decoded but not checked.
        chat: The thread's chat.
        owner: The owner's name in this export; None if it is unknown.
        ids: Derives the chat's message ids.

    Returns:
        The message, or the reason to count the row as skipped.
    """
    sender = read_sender(row)
    if not sender:
        return "row without a sender"
    at = row.get("timestamp_ms", row.get("timestamp"))
    sent_at = _read_time(at)
    if sent_at is None:
        return "row without a time"
    if row.get("is_unsent") is True or row.get("isUnsent") is True:
        return "deleted message"
    if "call_duration" in row or str(row.get("type")).casefold() in _CALLS:
        return "service message"
    text = _EDITED.sub("", mend(row.get("content") or row.get("text")).strip())
    by_app = text.startswith((f"{sender} ", "You "))
    if by_app and _NOTICE.match(text.removeprefix(sender).removeprefix("You").strip()):
        return "notice of the app"
    if text == "Liked a message" or (text.startswith("Reacted ") and text.endswith("to your message")):
        return "reaction"
    media = _describe_media(row)
    if text.endswith(_SHARED) or (by_app and _SENT.match(text)):
        media, text = media or write_placeholder(Kind.ATTACHMENT), ""
    if not text and media is None:
        return "empty message"
    return Message(
        chat_id=chat.id,
        id=ids.derive(str(at), sender, text or media or ""),
        origin=Origin.OWNER if sender == owner else Origin.CONTACT,
        sent_at=sent_at,
        text=text,
        media=media,
        sender_name=sender if chat.kind is ChatKind.GROUP else None,
    )


def _read_time(value: Any) -> datetime | None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    # Exports before 2019 have seconds, today's milliseconds; as milliseconds, the former would all lie in 1970.
    unit = 1 if abs(value) < _FIRST_MILLISECONDS else 1000
    try:
        return datetime.fromtimestamp(value / unit, UTC)
    except (ValueError, OverflowError, OSError):
        return None


def _describe_media(row: dict[str, Any]) -> str | None:
    for key, kind in _MEDIA.items():
        if row.get(key):
            return write_placeholder(kind)
    for key in ("audio_files", "files", "media"):
        files = row.get(key)
        if isinstance(files, list) and files and isinstance(files[0], dict):
            if key == "audio_files":
                seconds = files[0].get("duration")
                return write_timed(Kind.VOICE, seconds if isinstance(seconds, int) else None)
            return write_file(mend(files[0].get("uri")).rsplit("/", 1)[-1])
    share = row.get("share")
    return write_placeholder(Kind.LINK) if isinstance(share, dict) and share else None
