"""What an import did, for the user."""

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
    """What an import found and stored.

    Args:
        format: Name of the format, one of `FORMATS`.
        owner_name: Name of the owner as the export has it; None when it has none.
        chats: Most owner messages first.
        added: Messages that the store lacked; 0 in a dry run.
        known: Messages that it had already; 0 in a dry run.
        skipped: Rows that are no messages, by reason.
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
