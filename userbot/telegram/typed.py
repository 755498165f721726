"""Did the owner type this message just now? Only then can it be a command."""

from __future__ import annotations

from typing import Any

from telethon.tl import types
from telethon.utils import get_peer_id

# Each says that the words come from elsewhere, or were written at another time.
_FOREIGN = (
    "fwd_from",  # a forward, with a hidden author too
    "via_bot_id",
    "via_business_bot_id",
    "guestchat_via_from",
    "from_scheduled",
    "offline",  # an away message
    "quick_reply_shortcut_id",
    "edit_date",
    "media",  # a caption; of a link's preview, a share link
    "grouped_id",
    "reply_markup",
    "post",
    "post_author",
)
_LINKS = (types.MessageEntityUrl, types.MessageEntityTextUrl, types.MessageEntityBlockquote)
_QUOTING = ("quote", "quote_text", "reply_to_peer_id", "reply_from", "reply_media")


def is_typed(message: Any, me_id: int) -> bool:
    """Tell whether a message of Saved Messages is new plain text that the owner typed there.

    Not so forwards, captions, edited and scheduled messages, what a bot wrote, texts with links (a share link fills
    them in), and quotes or answers to other chats.

    Args:
        message: A TL message.
        me_id: The owner's id.
    """
    if any(getattr(message, name, None) for name in _FOREIGN):
        return False
    if any(isinstance(entity, _LINKS) for entity in message.entities or ()):
        return False
    origin = getattr(message, "saved_peer_id", None)  # the chat whose saved messages it is filed under
    if origin is not None and get_peer_id(origin) != me_id:
        return False
    header = message.reply_to
    if header is None:
        return True
    if not isinstance(header, types.MessageReplyHeader):  # to a story
        return False
    return not any(getattr(header, name, None) for name in _QUOTING)
