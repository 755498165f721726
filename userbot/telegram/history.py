"""Pull the history of chosen chats into the store."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """How far a pull got.

    Args:
        chat_id: Chat being fetched.
        title: Its name.
        chat_number: Its place in the list, from 1.
        chats: Length of the list.
        fetched: Messages seen in this chat, in this and in earlier pulls.
        total: Messages that Telegram says the chat has.
        waiting_s: Seconds of a pause that Telegram asked for, else 0.
    """

    chat_id: int
    title: str
    chat_number: int
    chats: int
    fetched: int
    total: int
    waiting_s: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class PullReport:
    """What a pull did.

    Args:
        chats: Chats fetched to their beginning.
        messages: Messages that were new to the store.
        refused: Titles of chats that Telegram refused, with the reason.
        takeout: Whether Telegram granted an export session.
        takeout_from: When it would grant one, where it asks to wait.
    """

    chats: int
    messages: int
    refused: tuple[str, ...] = ()
    takeout: bool = False
    takeout_from: datetime | None = None
