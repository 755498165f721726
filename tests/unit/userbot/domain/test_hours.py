"""Hours of the day: read, written, and ended on the clock of their zone."""

from __future__ import annotations

from datetime import UTC, datetime, time
from time import tzset
from zoneinfo import ZoneInfo

import pytest

from userbot.domain.hours import Hours

NIGHT = Hours(time(23), time(8))


@pytest.mark.parametrize(
    ("clock_time", "expected"), [(time(0, 30), True), (time(23), True), (time(8), False), (time(12), False)]
)
def test_hours_may_span_midnight(clock_time: time, expected: bool) -> None:
    assert NIGHT.holds(clock_time) is expected


@pytest.mark.parametrize(("clock_time", "expected"), [(time(11), True), (time(13, 59), True), (time(14), False)])
def test_hours_of_one_day_end_before_their_end(clock_time: time, expected: bool) -> None:
    assert Hours.parse("11:00 - 14:00").holds(clock_time) is expected


@pytest.mark.parametrize("text", ["8", "23:00", "25:00-08:00", "23:00-08:00-09:00", "eight-nine"])
def test_what_is_no_span_is_refused_by_name(text: str) -> None:
    with pytest.raises(ValueError, match=r"is not a span of hours; write it like 23:00-08:00$"):
        Hours.parse(text)


def test_hours_are_written_as_they_are_read() -> None:
    assert str(Hours.parse("07:30-09:00")) == "07:30-09:00"


@pytest.mark.parametrize(
    ("now", "end"),
    [
        ("2026-01-05T22:59:59+03:00", None),
        ("2026-01-05T23:00:00+03:00", "2026-01-06T08:00:00+03:00"),
        ("2026-01-06T03:00:00+03:00", "2026-01-06T08:00:00+03:00"),
        ("2026-01-06T08:00:00+03:00", None),
    ],
)
def test_hours_span_midnight_in_the_owners_zone(now: str, end: str | None) -> None:
    expected = None if end is None else datetime.fromisoformat(end)
    assert NIGHT.end_after(datetime.fromisoformat(now).astimezone(UTC), ZoneInfo("Europe/Moscow")) == expected


def test_hours_end_on_the_clock_when_summer_time_begins() -> None:
    before = datetime(2026, 3, 28, 22, 30, tzinfo=UTC)  # 23:30; clocks go forward at night
    assert NIGHT.end_after(before, ZoneInfo("Europe/Berlin")) == datetime(2026, 3, 29, 6, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("now", "end"),
    [
        (datetime(2026, 3, 28, 22, 30, tzinfo=UTC), datetime(2026, 3, 29, 6, 0, tzinfo=UTC)),
        (datetime(2026, 10, 24, 22, 30, tzinfo=UTC), datetime(2026, 10, 25, 7, 0, tzinfo=UTC)),
    ],
)
def test_hours_of_the_machines_zone_end_on_its_clock_when_the_offset_changes(
    now: datetime, end: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    try:
        with monkeypatch.context() as changed:
            changed.setenv("TZ", "Europe/Berlin")
            tzset()
            assert NIGHT.end_after(now, None) == end
    finally:
        tzset()
