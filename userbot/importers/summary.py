"""The result of an import, for the user."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from userbot.domain.messages import Chat, Origin


@dataclass(frozen=True, slots=True)
class ChatRow:
    """One chat of an export with its numbers of messages."""

    chat: Chat
    counts: Mapping[Origin, int]

    @property
    def total(self) -> int:
        """Number of messages."""
        return sum(self.counts.values())


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportSummary:
    """What an import read and stored.

    Args:
        format: Name of the format, one of `FORMATS`.
        owner_name: Name of the owner in the export; None when it has none.
        chats: Chats, those with the most owner messages first.
        added: Number of messages that were new to the store; 0 in a dry run.
        known: Number of messages that the store had already; 0 in a dry run.
        skipped: Numbers of rows that are not messages, by reason.
        warnings: Sentences for the user.
        truncated_after: Where the export ends too early ("after 12 messages, at byte 3456", with the file's name where
            there are several), else None.
    """

    format: str
    owner_name: str | None
    chats: tuple[ChatRow, ...]
    added: int
    known: int
    skipped: Mapping[str, int]
    warnings: tuple[str, ...]
    truncated_after: str | None

    @property
    def totals(self) -> Mapping[Origin, int]:
        """Number of messages by origin."""
        return {origin: sum(row.counts.get(origin, 0) for row in self.chats) for origin in Origin}

    @property
    def messages(self) -> int:
        """Number of messages."""
        return sum(row.total for row in self.chats)
