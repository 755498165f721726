"""A text as words and numbers, and the numbers in it: digits, numerals in words, runs of both, dates."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache

from userbot.trust.normalise import clean, fold
from userbot.trust.numerals import read_numeral, read_scale, write_digits


@dataclass(frozen=True, slots=True)
class Token:
    """One word or number of a text.

    Args:
        text: As written.
        form: The form of a word, "" of anything else.
        before: What stands between it and the token before.
        opens: It begins a sentence.
        sentence: Number of its sentence.
    """

    text: str
    form: str
    before: str
    opens: bool
    sentence: int


_TOKEN = re.compile(r"[^\W_]+")
_SENTENCE_END = re.compile(r"[.!?…\n:;()\"«»]|[\U0001f000-\U0001faff☀-➿]")
_MONTHS = {
    fold(form): month
    for month, forms in enumerate(
        ("января january jan", "февраля february feb", "марта march", "апреля april apr", "мая may", "июня june jun",
         "июля july jul", "августа august aug", "сентября september sept", "октября october oct", "ноября november nov",
         "декабря december dec"),
        1,
    )
    for form in clean(forms).split()
}  # fmt: skip
_UNIT_WORDS = """
руб рублей рубля долларов баксов евро гривен км метров минут мин часов секунд кг грамм литров
процентов градусов лет гб мб rub usd eur bucks dollars euros pounds km miles minutes mins hours kg grams percent degrees
years gb mb
"""
_UNITS = frozenset(fold(clean(word)) for word in _UNIT_WORDS.split())
_SCALE_WORDS = """
тыс тысяч тысячи тысячу косарь косаря косарей кк к k лям ляма лямов млн миллион миллиона миллионов миллиард миллиарда
миллиардов млрд thousand grand million millions mln mio billion bn m
"""
_SCALES = frozenset(clean(_SCALE_WORDS).split())
_SIGNS = frozenset("₽$€£%°")
_CONNECTORS = frozenset(("и", "and", "потом", "затем", "then", "дальше", "дефис", "тире", "dash", "пробел"))
_CLOSE_GAP = re.compile(r"[^\S\n]*[\-–—.:/()+№#*_]*[^\S\n]*")
_GAP = re.compile(r"[\s\-–—.,:;/()+№#…*_|'\"«»]*")


def read_tokens(text: str) -> list[Token]:
    """Split a text into words and numbers."""
    plain = clean(text)
    tokens: list[Token] = []
    end = sentence = 0
    for match in _TOKEN.finditer(plain):
        before = plain[end : match.start()]
        opens = not tokens or _SENTENCE_END.search(before) is not None
        sentence += opens
        word = match[0]
        tokens.append(Token(word, fold(word) if word.isalpha() else "", before, opens, sentence))
        end = match.end()
    return tokens


def is_unit(form: str) -> bool:
    """Tell whether a form is that of a unit or a currency."""
    return form in _UNITS


def find_runs(tokens: Sequence[Token], *, connectors: bool) -> Iterator[tuple[int, list[Token]]]:
    """Yield numbers that follow each other, with the place of the first."""
    run: list[Token] = []
    start = 0
    gap = _GAP if connectors else _CLOSE_GAP
    for n, token in enumerate(tokens):
        numeric = (
            token.text.isdecimal()
            or read_numeral(token.text.lower()) is not None
            or (bool(run) and read_scale(token.text.lower()) is not None)
        )
        if connectors and run and token.text.lower() in _CONNECTORS:
            continue
        if numeric and (not run or gap.fullmatch(token.before)):
            start = start if run else n
            run.append(token)
            continue
        if run:
            yield start, run
        run, start = ([token], n) if numeric else ([], n)
    if run:
        yield start, run


def write_run(run: Sequence[Token]) -> str:
    """Write a run of numbers as one string of digits."""
    out, values = "", list[int | None]()
    for token in run:
        low = token.text.lower()
        if low.isdecimal():
            out, values = out + write_digits(values) + _plain(low), []
        elif (scale := read_scale(low)) is not None:
            values = [*values[:-1], (values[-1] or 1) * 100] if scale == 100 and values else [*values, None]
        else:
            values.append(read_numeral(low))
    return out + write_digits(values)


def _plain(text: str) -> str:
    """Return digits of any script as ASCII ones."""
    return "".join(str(int(char)) for char in text)


def is_everyday_run(run: Sequence[Token], after: Token | None) -> bool:
    """Tell whether numbers are a time, a date, a price or a measure of everyday talk.

    Args:
        run: Numbers that follow each other.
        after: The token after them.
    """
    texts = [token.text for token in run]
    marks = {token.before for token in run[1:]}
    small = all(text.isdecimal() and len(text) <= 2 for text in texts)
    if len(run) in (2, 3) and small and marks <= {":", ".", "/", ","}:
        return True  # a time, a date, a price
    if len(run) == 2 and small and marks <= {"-", "–", "—"} and int(texts[0]) < int(texts[1]):
        return True  # a span
    if len(run) == 3 and texts[2].isdecimal() and len(texts[2]) == 4 and marks <= {".", "/", "-"}:
        return True  # a date with its year
    measured = after is not None and (is_unit(after.form) or bool(set(after.before) & _SIGNS))
    return (measured or bool(set(run[0].before) & _SIGNS)) and len(write_run(run)) <= 5


def find_amounts(tokens: Sequence[Token]) -> Iterator[tuple[str, bool]]:
    """Yield amounts, and whether a word after them makes them thousands or millions.

    Decimals are written with a point, `6.4`; whole numbers of one or two digits tell too little without such a word.
    """
    for n, token in enumerate(tokens):
        if not token.text.isdecimal():
            continue
        low = _plain(token.text)
        following = list(tokens[n + 1 : n + 3])
        if following and following[0].before in (".", ",") and following[0].text.isdecimal():
            fraction = following.pop(0)
            low = f"{low}.{_plain(fraction.text)}"
        large = bool(following) and following[0].text.lower() in _SCALES and not following[0].before.strip()
        if "." in low or (large and len(low) >= 2 and not low.endswith("0")):
            yield low, large


def find_dates(tokens: Sequence[Token]) -> Iterator[tuple[int, int]]:
    """Yield (day, month) of each date: `14 марта`, `March 14th`, `14.03`, `четырнадцатое марта`."""
    for n, token in enumerate(tokens):
        day = _read_day(token.text)
        near = [tokens[m] for m in (n + 1, n + 2, n - 1) if 0 <= m < len(tokens)]
        if day is None or not near:
            continue
        month = next((_MONTHS[t.form] for t in near if t.form in _MONTHS), None)
        if month is None and n + 1 < len(tokens) and tokens[n + 1].before in (".", "/") and token.text.isdigit():
            follows = tokens[n + 1].text
            month = int(follows) if follows.isdecimal() and len(follows) == 2 and 1 <= int(follows) <= 12 else None
        if month is not None:
            yield day, month


@lru_cache(maxsize=10_000)
def _read_day(text: str) -> int | None:
    digits = re.fullmatch(r"(\d{1,2})(?:st|nd|rd|th|го|е)?", text.lower())
    value = int(digits[1]) if digits and digits[1].isascii() else read_numeral(text.lower())
    return value if value is not None and 1 <= value <= 31 else None
