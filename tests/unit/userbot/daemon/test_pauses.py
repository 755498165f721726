"""Pauses are read as the owner writes them, and their end is said in one way."""

from __future__ import annotations

from datetime import timedelta

import pytest
from fakes import START

from userbot.daemon.pauses import UNLIMITED, format_pause, format_time, parse_span


@pytest.mark.parametrize(
    ("text", "span"),
    [
        ("30m", timedelta(minutes=30)),
        ("5min", timedelta(minutes=5)),
        ("2H", timedelta(hours=2)),
        ("1.5h", timedelta(minutes=90)),
        ("1d12h", timedelta(hours=36)),
        ("999999999999d", UNLIMITED),
        ("", None),
        ("2", None),
        ("h", None),
        ("2h!", None),
        ("2h vera", None),
        ("-2h", None),
    ],
)
def test_span_is_read_whole_or_not_at_all(text: str, span: timedelta | None) -> None:
    assert parse_span(text) == span


def test_end_of_a_pause_is_a_time_unless_only_the_owner_ends_it() -> None:
    until = START + timedelta(hours=2)
    assert format_pause(until, START) == f"until {format_time(until)}"
    assert format_pause(START + UNLIMITED, START) == "until you resume"
    assert format_pause(START + UNLIMITED, START + timedelta(days=3650)) == "until you resume"


def test_time_is_written_in_the_machines_zone() -> None:
    assert format_time(START) == f"{START.astimezone():%d %b %H:%M}"
