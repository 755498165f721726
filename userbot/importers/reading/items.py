"""What a reader yields, and the Protocol that the reader of every format follows."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Protocol

from userbot.domain.messages import Chat, Message
from userbot.importers.reading.source import Source

BATCH = 1000

FORMATS: tuple[str, ...] = ("telegram", "telegram-html", "whatsapp", "instagram", "messenger", "discord")


@dataclass(frozen=True, slots=True)
class Owner:
    """The person whose export this is.

    Args:
        id: Their Telegram id; None where the format has only names.
        name: Their name in the export, if it has one.
    """

    id: int | None
    name: str | None


@dataclass(frozen=True, slots=True)
class Skipped:
    """Rows that are not messages.

    Args:
        reason: Why; shown to the user.
        count: How many rows.
    """

    reason: str
    count: int = 1


@dataclass(frozen=True, slots=True)
class Notice:
    """A warning for the user about the export."""

    text: str


@dataclass(frozen=True, slots=True)
class Truncated:
    """The file ends here, too early.

    Args:
        byte: Where the complete content ends, in bytes from the start of the file.
        part: The file's name in an export of several files.
    """

    byte: int
    part: str = ""


Item = Owner | Chat | list[Message] | Skipped | Notice | Truncated
"""What a reader yields."""


def gather(rows: Iterable[Message | str | Notice | Truncated]) -> Iterator[Item]:
    """Gather converted rows into batches.

    Args:
        rows: Messages; a text in place of a message says why a row is not one; the rest is passed on as it comes.

    Yields:
        Lists of at most `BATCH` messages, and what is passed on; then the reasons with their counts.
    """
    batch: list[Message] = []
    skipped: Counter[str] = Counter()
    for row in rows:
        if isinstance(row, str):
            skipped[row] += 1
        elif isinstance(row, Message):
            batch.append(row)
            if len(batch) == BATCH:
                yield batch
                batch = []
        else:
            yield row
    yield batch
    for reason, count in skipped.items():
        yield Skipped(reason, count)


@dataclass(frozen=True, slots=True)
class Hints:
    """What is known before reading.

    Args:
        me: The owner as the user gave it (`--me`): a name as the export shows it, or an id.
        owner_id: The owner's Telegram id, known from a login or an earlier import.
        owner_name: The owner's name, known in the same way.
        date_order: `dmy` or `mdy`, where the user said how the file's dates are written.
    """

    me: str | None = None
    owner_id: int | None = None
    owner_name: str | None = None
    date_order: str | None = None


class Reader(Protocol):
    """Read one format.

    A chat is yielded before its messages, which come in lists; the owner may be yielded at any time.
    Message ids are the same in every export of the same chat, so that overlapping exports add nothing twice.
    """

    def __call__(self, source: Source, hints: Hints) -> Iterator[Item]:
        """Yield what the export holds, without keeping it in memory.

        Raises:
            ExportFormatError: The file is damaged, or is not such an export.
            OwnerUnknownError: Nothing tells who the owner is.
        """
        ...
