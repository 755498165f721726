"""The beginning of a line in WhatsApp's text export: date and time as the phone's language and country write them.

Seen in the wild: separators `/ . -`, blanks after dots, commas of three scripts, Arabic and Persian digits, half-days
before and after the hour, brackets (iOS), a dash (Android), a colon (2012 to 2016). The order of day, month and year is
read off all dates of a file, for each style of writing that the file has.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time
from itertools import pairwise, product

ORDERS = ("dmy", "mdy")
"""Day first, or month first; where a date begins with the year, there is no question."""

BUDDHIST_YEARS = range(2400, 2700)
BUDDHIST_AHEAD = 543

# All other half-days are mornings.
_EVENING = (
    "pm", "p", "下午", "午後", "中午", "晚上", "오후", "م", 'אחה"צ', "אחהצ", "μμ", "ös", "ch", "du", "odp", "em", "nm",
    "ptg", "بظ", "अपराह्न",
)  # fmt: skip
_S = r"[\s\u00a0\u202f\u200e\u200f]"
_HALF_WORD = (
    r"(?:[ap]\.?[\s\u00a0\u202f]?m\.?|[ap]|上午|下午|午前|午後|凌晨|清晨|早上|中午|晚上|오전|오후|ص|م|"
    r"לפנה[\"״']?צ|אחה[\"״']?צ|[πμ]\.?\s?μ\.?|ö[öös]|sa|ch|d[eu]\.?|dop\.?|odp\.?|[fe]m|[vn]m|pt?g|[قب]\.?ظ|पूर्वाह्न|अपराह्न)"
)
LINE = re.compile(
    r"^[\u200e\u200f\ufeff]*(?P<open>\[)?"
    rf"(?P<a>\d{{1,4}}){_S}?(?P<sep>[./\-]){_S}?(?P<b>\d{{1,2}}){_S}?[./\-]{_S}?(?P<c>\d{{1,4}})\.?[,،、]?"
    rf"(?:{_S}+(?!{_HALF_WORD}{_S}*\d)[^\W\d]{{1,5}})?{_S}+"
    rf"(?:(?P<before>{_HALF_WORD}){_S}*)?"
    r"(?P<hour>\d{1,2})[:.](?P<minute>\d{2})(?:[:.](?P<second>\d{2}))?"
    rf"(?:{_S}*(?P<after>{_HALF_WORD}))?"
    rf"(?(open)\]{_S}|(?:{_S}[-–]{_S}|:{_S}(?=[^:\n]{{1,80}}:)))(?P<rest>.*)$",
    re.IGNORECASE,
)
_DIGITS = str.maketrans("٠١٢٣٤٥٦٧٨٩۰۱۲۳۴۵۶۷۸۹", "0123456789" * 2)
_HEAD = 60


@dataclass(frozen=True, slots=True)
class Stamp:
    """Date and time of a line, as they were written.

    Args:
        style: Lines of one style have their day, month and year in one order.
        numbers: The three numbers of the date.
        padded: Whether the first two are written with two digits although one would do.
        half: The half-day in lower case without dots and blanks; "" where there is none.
        hour: As written.
        minute: As written.
        second: None where there is none.
        rest: What follows.
    """

    style: str
    numbers: tuple[int, int, int]
    padded: bool
    half: str
    hour: int
    minute: int
    second: int | None
    rest: str


def match_line(line: str) -> Stamp | None:
    """Return what a line begins with; None where it begins with no time, as one that continues a message.

    Args:
        line: Without its line break.
    """
    if not any(letter.isdigit() for letter in line[:4]):
        return None
    match = LINE.match(line[:_HEAD].translate(_DIGITS) + line[_HEAD:])
    if match is None:
        return None
    first, second, year = match["a"], match["b"], match["c"]
    half = re.sub(r"[\s.\u00a0\u202f]", "", match["before"] or match["after"] or "").casefold()
    return Stamp(
        style=f"{match['sep']}{len(first) > 2:d}{len(year) > 2:d}{bool(match['open']):d}",
        numbers=(int(first), int(second), int(year)),
        padded=first.startswith("0") or second.startswith("0"),
        half=half.replace("״", '"').replace("'", '"'),
        hour=int(match["hour"]),
        minute=int(match["minute"]),
        second=None if match["second"] is None else int(match["second"]),
        rest=match["rest"],
    )


@dataclass(frozen=True, slots=True)
class DateOrder:
    """The order of day, month and year in each style that a file has.

    Args:
        by_style: `dmy`, `mdy` or `ymd` by style.
        guessed: A date of which another order would do as well; None where all is clear.
    """

    by_style: Mapping[str, str]
    guessed: tuple[int, int, int] | None = None

    def read(self, stamp: Stamp) -> datetime | None:
        """Return the time of a line in the phone's zone, which the file does not tell; None where there is none."""
        day = read_day(stamp.numbers, self.by_style[stamp.style])
        hour = stamp.hour
        if stamp.half:
            hour = hour % 12 + (12 if stamp.half in _EVENING else 0)
        if day is None:
            return None
        try:
            return datetime.combine(day, time(hour, stamp.minute, stamp.second or 0))
        except ValueError:
            return None


def choose_order(stamps: Sequence[Stamp], *, given: str | None = None) -> DateOrder:
    """Choose the order that all dates of a file allow, that runs backwards least, and that covers the fewest days.

    Args:
        stamps: Of the lines in order; those that repeat the day before may be left out.
        given: `dmy` or `mdy`, as the user said; None decides by the dates.
    """
    styles = list(dict.fromkeys(stamp.style for stamp in stamps))
    choices = [["ymd"] if style[1] == "1" else [given] if given else list(ORDERS) for style in styles]
    ranked = sorted(
        (dict(zip(styles, orders, strict=True)) for orders in product(*choices)),
        key=lambda by_style: (_count_faults(stamps, by_style), _habit(stamps, by_style)),
    )
    best = ranked[0]
    doubtful = [other for other in ranked[1:] if _count_faults(stamps, other) == _count_faults(stamps, best)]
    guess = next((s.numbers for s in stamps if s.numbers[0] != s.numbers[1] and s.style[1] == "0"), None)
    settled = any(stamp.padded or stamp.half for stamp in stamps)
    return DateOrder(best, guess if doubtful and not settled else None)


def read_day(numbers: tuple[int, int, int], order: str) -> date | None:
    """Return the day that three numbers mean in an order; None where there is none such.

    Args:
        numbers: As they stand.
        order: `dmy`, `mdy` or `ymd`.
    """
    parts = dict(zip(order, numbers, strict=True))
    year = parts["y"] + 2000 if parts["y"] < 100 else parts["y"]
    if year in BUDDHIST_YEARS:
        year -= BUDDHIST_AHEAD
    try:
        return date(year, parts["m"], parts["d"])
    except ValueError:
        return None


def _count_faults(stamps: Sequence[Stamp], by_style: Mapping[str, str]) -> tuple[int, int, int]:
    """Return how many dates there are not, how often time runs backwards, and how many days are covered in all."""
    days = [read_day(stamp.numbers, by_style[stamp.style]) for stamp in stamps]
    known = [day for day in days if day is not None]
    return days.count(None), sum(later < earlier for earlier, later in pairwise(known)), _measure_span(known)


def _measure_span(days: Iterable[date]) -> int:
    ordered = sorted(days)
    return (ordered[-1] - ordered[0]).days if ordered else 0


def _habit(stamps: Sequence[Stamp], by_style: Mapping[str, str]) -> int:
    """Return 0 where the order is usual for what is written: month first with half-days and without leading zeros."""
    month_first = any(stamp.half for stamp in stamps) and not any(stamp.padded for stamp in stamps)
    dotted = any(style.startswith(".") for style in by_style)
    usual = "mdy" if month_first and not dotted else "dmy"
    return sum(order not in (usual, "ymd") for order in by_style.values())
