"""Ids derived from names, for what has no id of Telegram's: chats of other messengers, people known by name only."""

from __future__ import annotations

from hashlib import blake2b

from userbot.domain.telegram_ids import FIRST_DERIVED_ID

HTML_SOURCE = "telegram-html"
"""`Chat.source` of Telegram's HTML pages, which hold no id of the chat."""


def derive_chat_id(source: str, key: str) -> int:
    """Derive a chat's id from what identifies it in its messenger.

    Args:
        source: The messenger, as in `Chat.source`.
        key: What identifies the chat there: an id, a path or a name.

    Returns:
        An id from 2⁶¹ to 2⁶¹ + 2⁶⁰, apart from all Telegram ids, and the same in every export.
    """
    return FIRST_DERIVED_ID + digest(f"{source}\0{key}", 60)


def digest(text: str, bits: int) -> int:
    """Return a number of so many bits that stands for a text, the same on every machine; `bits` is 64 or less."""
    raw = blake2b(text.encode("utf-8", "replace"), digest_size=8).digest()
    return int.from_bytes(raw, "big") >> (64 - bits)
