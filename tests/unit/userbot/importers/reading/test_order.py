"""Messages of one time keep the order of the file."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from userbot.importers.reading.order import FileOrder

MINUTE = timedelta(minutes=1)
NOON = datetime(2026, 1, 5, 12, 0, tzinfo=UTC)


def test_messages_of_one_time_come_one_after_the_other() -> None:
    order = FileOrder()
    placed = [order.place(NOON, unit=MINUTE) for _ in range(5)]
    assert placed == sorted(set(placed)) and placed[0] == NOON
    assert order.place(NOON + MINUTE, unit=MINUTE) == NOON + MINUTE


def test_no_message_moves_into_the_next_second() -> None:
    order, second = FileOrder(), timedelta(seconds=1)
    placed = [order.place(NOON, unit=second) for _ in range(3000)]
    assert placed[-1] < NOON + second


def test_clock_that_was_put_back_starts_afresh() -> None:
    order = FileOrder()
    order.place(NOON, unit=MINUTE)
    order.place(NOON, unit=MINUTE)
    assert order.place(NOON - timedelta(hours=1), unit=MINUTE) == NOON - timedelta(hours=1)
