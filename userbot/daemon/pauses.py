"""Pauses as the owner writes and reads them: how long one lasts, and when it ends."""

from __future__ import annotations

import re
from datetime import datetime, timedelta

UNLIMITED = timedelta(days=36_500)
"""Length of a pause that only the owner ends: a lifetime, as the store needs a time."""

_NO_END_IN_SIGHT = UNLIMITED / 10
_SPAN = re.compile(r"(\d+(?:\.\d+)?)(min|m|h|d)")
_SECONDS = {"m": 60, "min": 60, "h": 3600, "d": 86_400}


def parse_span(text: str) -> timedelta | None:
    """Read a span of time such as `30m`, `2h` or `1d12h`.

    Returns:
        The span, at most `UNLIMITED`; None where the text is something else.
    """
    parts = _SPAN.findall(text.casefold())
    if not parts or "".join(number + unit for number, unit in parts) != text.casefold():
        return None
    seconds = sum(float(number) * _SECONDS[unit] for number, unit in parts)
    return timedelta(seconds=min(seconds, UNLIMITED.total_seconds()))


def format_pause(until: datetime, now: datetime) -> str:
    """Say when a pause ends: `until 05 Jan 14:00`, or `until you resume` for one without an end.

    Args:
        until: End of the pause, aware.
        now: Aware.
    """
    return "until you resume" if until - now > _NO_END_IN_SIGHT else f"until {format_time(until)}"


def format_time(at: datetime) -> str:
    """Write an aware time as day and minute in the machine's time zone: `05 Jan 14:00`."""
    return f"{at.astimezone():%d %b %H:%M}"
