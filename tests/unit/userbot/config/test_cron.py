"""Cron expressions mean what they mean in every crontab."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from userbot.config.cron import read_cron

SUNDAY = datetime(2026, 1, 4, 12, 0, tzinfo=UTC)


def fire_days(text: str) -> list[str]:
    """Return the weekdays of a week that an expression fires on."""
    trigger = read_cron(text, UTC)
    days, now = [], SUNDAY - timedelta(hours=12)
    while (fire := trigger.get_next_fire_time(None, now)) < SUNDAY + timedelta(days=6, hours=12):
        days.append(f"{fire:%a}".lower())
        now = fire + timedelta(minutes=1)
    return days


@pytest.mark.parametrize(
    ("weekday", "expected"),
    [
        ("0", "sun"),
        ("7", "sun"),
        ("1-5", "mon tue wed thu fri"),
        ("5-7", "sun fri sat"),
        ("0,3", "sun wed"),
        ("Mon-Wed", "mon tue wed"),
        ("*/3", "sun wed sat"),
        ("sat-mon", "sun mon sat"),
        ("*", "sun mon tue wed thu fri sat"),
    ],
)
def test_weekdays_count_from_sunday(weekday: str, expected: str) -> None:
    assert fire_days(f"0 3 * * {weekday}") == expected.split()


@pytest.mark.parametrize("text", ["", "daily", "0 3 * *", "61 3 * * *", "0 3 * * 8", "0 3 * * some", "0 3 * * 1/0"])
def test_what_is_no_expression_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is not a cron expression"):
        read_cron(text)
