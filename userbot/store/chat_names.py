"""Which chats a name means: the one rule for chats of the store and for the account's own dialogs."""

from __future__ import annotations

from collections.abc import Iterable

from userbot.domain.messages import Chat


def match_name(chats: Iterable[Chat], name: str) -> list[Chat]:
    """Return the chats that a name names in full.

    An id or a username wins over a title, as only the former are unique.

    Args:
        chats: Where to look.
        name: An id, a username with or without `@`, or a whole title; upper and lower case are the same.

    Returns:
        In the order of `chats`; empty for an empty name.
    """
    title = name.strip().casefold()
    username = title.removeprefix("@")
    if not username:  # it would match every chat that has no username
        return []
    candidates = list(chats)
    by_key = [chat for chat in candidates if str(chat.id) == title or (chat.username or "").casefold() == username]
    return by_key or [chat for chat in candidates if chat.title.casefold() == title]


def match_part(chats: Iterable[Chat], name: str) -> list[Chat]:
    """Return the chats whose title contains a name; empty for an empty name."""
    part = name.strip().casefold()
    return [chat for chat in chats if part and part in chat.title.casefold()]
