"""Converted rows, gathered into batches."""

from __future__ import annotations

from datetime import UTC, datetime

from userbot.domain.messages import Message, Origin
from userbot.importers.reading.items import BATCH, Skipped, gather


def message(number: int) -> Message:
    return Message(chat_id=1, id=number, origin=Origin.CONTACT, sent_at=datetime(2026, 1, 1, tzinfo=UTC), text="hi")


def test_messages_come_in_batches_and_reasons_are_counted_at_the_end() -> None:
    rows = [message(number) for number in range(BATCH + 1)]
    items = list(gather(["reaction", *rows, "reaction", "empty message"]))
    assert [len(item) for item in items if isinstance(item, list)] == [BATCH, 1]
    assert items[2:] == [Skipped("reaction", 2), Skipped("empty message", 1)]


def test_no_rows_give_an_empty_batch() -> None:
    assert list(gather([])) == [[]]
