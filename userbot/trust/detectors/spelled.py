"""Phone and card numbers in words: `восемь девятьсот шестнадцать сто двадцать три сорок пять шестьдесят семь`."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from userbot.domain.placeholders import Masked
from userbot.trust.detectors.finding import Finding, Source

_ONES = ("ноль", "один", "два", "три", "четыре", "пять", "шесть", "семь", "восемь", "девять")
_TEENS = (
    "десять", "одиннадцать", "двенадцать", "тринадцать", "четырнадцать", "пятнадцать", "шестнадцать", "семнадцать",
    "восемнадцать", "девятнадцать",
)  # fmt: skip
_TENS = ("двадцать", "тридцать", "сорок", "пятьдесят", "шестьдесят", "семьдесят", "восемьдесят", "девяносто")
_HUNDREDS = ("сто", "двести", "триста", "четыреста", "пятьсот", "шестьсот", "семьсот", "восемьсот", "девятьсот")
_ENGLISH = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")

_VALUES = {
    **{word: number for number, word in enumerate(_ONES)},
    **{word: number for number, word in enumerate(_ENGLISH)},
    **{word: number for number, word in enumerate(_TEENS, start=10)},
    **{word: 10 * number for number, word in enumerate(_TENS, start=2)},
    **{word: 100 * number for number, word in enumerate(_HUNDREDS, start=1)},
    "oh": 0,
    "плюс": -1,
    "plus": -1,
}
_WORD = "|".join(sorted(_VALUES, key=len, reverse=True))
_RUN = re.compile(rf"(?<!\w)(?:{_WORD}|\d{{1,4}})(?:[ ,\-\n]+(?:{_WORD}|\d{{1,4}})){{4,}}(?!\w)")


def find_spelled(source: Source) -> Iterator[Finding]:
    """Yield numbers in words that have the length and the beginning of a phone's, or the length of a card's."""
    for match in _RUN.finditer(source.low):
        words = re.findall(r"\w+", match.group())
        if sum(not word.isdigit() for word in words) < 3:
            continue
        digits = write_digits(words)
        if len(digits) == 16:
            yield Finding(*match.span(), Masked.CARD)
        elif (len(digits) == 11 and digits[0] in "780") or (len(digits) == 10 and digits[0] in "9023456"):
            yield Finding(*match.span(), Masked.PHONE)


def write_digits(words: Sequence[str]) -> str:
    """Return the digits that number words say, group after group: `сорок пять` is 45, `сорок ноль пять` 4005."""
    digits, group, room = "", 0, 0
    for word in words:
        value = int(word) if word.isdigit() else _VALUES[word]
        if value < 0:
            continue
        if word.isdigit() or not 0 < value < room:
            digits += str(group) if room else ""
            group, room = 0, 0
            if word.isdigit():
                digits += word
                continue
        group += value
        # After a hundred tens may follow, after tens ones; after anything else a new group begins.
        room = 100 if value >= 100 else 10 if value >= 20 else 1
    return digits + (str(group) if room else "")
