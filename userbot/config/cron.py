"""Cron expressions as people know them."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import tzinfo

from apscheduler.triggers.cron import CronTrigger

_DAYS = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")


def read_cron(text: str, zone: tzinfo | None = None) -> CronTrigger:
    """Read a cron expression of five fields: minute, hour, day, month, day of the week.

    Days of the week count from Sunday, 0 or 7, as in every crontab; APScheduler counts them from Monday.

    Args:
        text: Such as `0 3 * * 0`.
        zone: Time zone of the fields; None is the machine's.

    Returns:
        A trigger of APScheduler.

    Raises:
        ValueError: The text is no such expression.
    """
    fields = text.split()
    try:
        if len(fields) != 5:
            raise ValueError
        minute, hour, day, month, weekday = fields
        days = ",".join(_name_days(weekday.casefold()))
        return CronTrigger(minute=minute, hour=hour, day=day, month=month, day_of_week=days, timezone=zone)
    except (ValueError, IndexError):
        raise ValueError(f"{text!r} is not a cron expression; write it like 0 3 * * 0") from None


def _name_days(field: str) -> Iterator[str]:
    for part in field.split(","):
        span, _, step = part.partition("/")
        first, dash, last = span.partition("-")
        start, end = (0, 6) if span == "*" else (_number(first), _number(last if dash else first))
        if span != "*" and step and not dash:
            end = 6
        for day in range(start, end + 1 if end >= start else end + 8, int(step or 1)):
            yield _DAYS[day % 7]


def _number(day: str) -> int:
    number = _DAYS.index(day[:3]) if day[:1].isalpha() else int(day)
    if number not in range(8):
        raise ValueError
    return number
