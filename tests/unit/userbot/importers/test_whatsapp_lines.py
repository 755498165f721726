"""Dates and times as WhatsApp writes them around the world."""

from __future__ import annotations

from datetime import date, datetime

import pytest

from userbot.importers.whatsapp_lines import Stamp, choose_order, match_line, read_day


def on_the_phone(*parts: int) -> datetime:
    """Return a time of the phone's own zone, which no file tells."""
    return datetime(*parts)  # type: ignore[arg-type]  # noqa: DTZ001  # mypy can't count the parts; no zone is meant


def read(*lines: str, given: str | None = None) -> list[datetime | None]:
    """Return the times of lines that stand in one file."""
    stamps = [match_line(line) for line in lines]
    assert all(isinstance(stamp, Stamp) for stamp in stamps), lines
    order = choose_order([stamp for stamp in stamps if stamp], given=given)
    return [order.read(stamp) for stamp in stamps if stamp]


@pytest.mark.parametrize(
    ("line", "at"),
    [
        ("31.12.2025, 21:41 - A: x", (2025, 12, 31, 21, 41)),
        ("12/31/23, 9:41 PM - A: x", (2023, 12, 31, 21, 41)),
        ("12/31/23, 9:41\u202fPM - A: x", (2023, 12, 31, 21, 41)),
        ("31/12/2023, 9:41 p. m. - A: x", (2023, 12, 31, 21, 41)),
        ("[31.12.23, 21:41:07] A: x", (2023, 12, 31, 21, 41, 7)),
        ("[31/12/2023 à 21:41:07] A: x", (2023, 12, 31, 21, 41, 7)),
        ("31.12.23 um 21:41 - A: x", (2023, 12, 31, 21, 41)),
        ("3/24/14, 1:59:59 PM: Anna: hi", (2014, 3, 24, 13, 59, 59)),
        ("24/3/2012 13:59: Anna: hi", (2012, 3, 24, 13, 59)),
        ("21/5/2025، 09:17 - سامي: x", (2025, 5, 21, 9, 17)),
        ("\u200f[١٥/٠٩/٢٠٢٦، ٢٠:٤٥:١٢] سامي: x", (2026, 9, 15, 20, 45, 12)),
        ("\u200f[١٥/٠٩/٢٠٢٦، ٨:٤٦:٠٠ م] دانة: x", (2026, 9, 15, 20, 46)),
        ("\u200f[١٥/٠٩/٢٠٢٦، ٩:٠٠:٠٠ ص] سامي: x", (2026, 9, 15, 9, 0)),
        ('[15.9.2026, 8:46:00 אחה"צ] דנה: x', (2026, 9, 15, 20, 46)),
        ("[15.9.2026, 9:46:00 לפנה״צ] סמי: x", (2026, 9, 15, 9, 46)),
        ("[2023/1/5 下午3:04:12] 小明: x", (2023, 1, 5, 15, 4, 12)),
        ("[2023/1/5 上午9:05:12] 小華: x", (2023, 1, 5, 9, 5, 12)),
        ("2023. 1. 5. 오후 3:04 - 민수: x", (2023, 1, 5, 15, 4)),
        ("[2023. 1. 5. 오전 9:04:33] 민수: x", (2023, 1, 5, 9, 4, 33)),
        ("2023. 01. 05. 15:04 - Anna: x", (2023, 1, 5, 15, 4)),
        ("21/1/23, 3:04 μ.μ. - Άννα: x", (2023, 1, 21, 15, 4)),
        ("2023-01-05, 15:04 - A: x", (2023, 1, 5, 15, 4)),
        ("5/13/2566, 15:04 - A: x", (2023, 5, 13, 15, 4)),
        ("13/1/2023, 12:04 AM - A: x", (2023, 1, 13, 0, 4)),
        ("13/1/2023, 12:04 PM - A: x", (2023, 1, 13, 12, 4)),
        ("13.1.2023 klo 15.04 - A: x", (2023, 1, 13, 15, 4)),
    ],
)
def test_line_of_any_country_has_its_time(line: str, at: tuple[int, ...]) -> None:
    assert read(line) == [on_the_phone(*at)]


@pytest.mark.parametrize(
    "line",
    [
        "hello",
        "12 apples",
        "5/6 of it",
        "1.2.3 is a version",
        "see 12/31/23, 9:41 PM - no",
        "",
        "12:30 - lunch",
        "٣ كتب",
    ],
)
def test_text_that_begins_with_a_number_is_no_line(line: str) -> None:
    assert match_line(line) is None


def test_days_below_thirteen_are_settled_by_their_sequence() -> None:
    lines = [f"[{day:02}/12/2024, 10:05:23 AM] Nora: x" for day in (1, 2, 3, 4)]
    assert [at and at.date() for at in read(*lines)] == [date(2024, 12, day) for day in (1, 2, 3, 4)]
    american = [f"12/{day}/24, 10:05 AM - Nora: x" for day in (1, 2, 3, 4)]
    assert [at and at.date() for at in read(*american)] == [date(2024, 12, day) for day in (1, 2, 3, 4)]


def test_two_styles_of_one_file_have_an_order_each() -> None:
    times = read("6/30/23, 16:14 - A: x", "6/30/23, 16:15 - B: x", "30/6/2023, 16:16 - B: x", "1/7/2023, 16:17 - B: x")
    assert [at and at.date() for at in times] == [date(2023, 6, 30)] * 3 + [date(2023, 7, 1)]


def test_what_stays_open_is_said_and_may_be_given() -> None:
    stamp = match_line("5/6/24, 10:00 - A: x")
    assert stamp is not None
    assert choose_order([stamp]).guessed == (5, 6, 24)
    assert read("5/6/24, 10:00 - A: x") == [on_the_phone(2024, 6, 5, 10, 0)]
    assert read("5/6/24, 10:00 - A: x", given="mdy") == [on_the_phone(2024, 5, 6, 10, 0)]
    clear = match_line("25/6/24, 10:00 - A: x")
    assert clear is not None and choose_order([clear]).guessed is None


def test_date_that_does_not_exist_has_no_day() -> None:
    assert read_day((31, 2, 2024), "dmy") is None
    assert read_day((5, 1, 2566), "dmy") == date(2023, 1, 5)
