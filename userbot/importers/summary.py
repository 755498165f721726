"""The result of an import, for the user."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
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
        failed: Exports of a folder that could not be read, each with the reason; what the others hold is stored.
    """

    format: str
    owner_name: str | None
    chats: tuple[ChatRow, ...]
    added: int
    known: int
    skipped: Mapping[str, int]
    warnings: tuple[str, ...]
    truncated_after: str | None
    failed: tuple[str, ...] = ()

    @property
    def totals(self) -> Mapping[Origin, int]:
        """Number of messages by origin."""
        return {origin: sum(row.counts.get(origin, 0) for row in self.chats) for origin in Origin}

    @property
    def messages(self) -> int:
        """Number of messages."""
        return sum(row.total for row in self.chats)


def join_summaries(
    summaries: Sequence[ImportSummary], *, warnings: Sequence[str] = (), failed: Sequence[str] = ()
) -> ImportSummary:
    """Return one summary of several exports that were read side by side.

    Args:
        summaries: One at least, in the order of reading.
        warnings: Further sentences for the user.
        failed: Exports that could not be read, with the reasons.
    """
    chats: dict[int, ChatRow] = {}
    skipped: Counter[str] = Counter()
    for summary in summaries:
        skipped.update(summary.skipped)
        for row in summary.chats:
            known = chats.get(row.chat.id)
            counts = Counter(row.counts) + Counter(known.counts if known else {})
            chats[row.chat.id] = ChatRow(row.chat, dict(counts))
    return ImportSummary(
        format=", ".join(dict.fromkeys(summary.format for summary in summaries)),
        owner_name=next((summary.owner_name for summary in summaries if summary.owner_name), None),
        chats=tuple(sorted(chats.values(), key=lambda row: (-row.counts.get(Origin.OWNER, 0), row.chat.title))),
        added=sum(summary.added for summary in summaries),
        known=sum(summary.known for summary in summaries),
        skipped=dict(skipped.most_common()),
        warnings=(*(line for summary in summaries for line in summary.warnings), *warnings),
        truncated_after=next((s.truncated_after for s in summaries if s.truncated_after), None),
        failed=tuple(failed),
    )
