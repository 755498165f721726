"""Dates of birth: a date is one only beside a word that says so."""

from __future__ import annotations

import re
from collections.abc import Iterator

from userbot.domain.placeholders import Masked
from userbot.trust.detectors.finding import Finding, Source

_MONTH = (
    r"(?:янв|фев|мар|апр|ма[йяе]|июн|июл|авг|сен|окт|ноя|дек)[а-я]*"
    r"|(?:jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)[a-z]*\.?"
)
_DATE = re.compile(
    rf"(?<![\d.])(?:\d{{1,2}}[./\-, ]\d{{1,2}}[./\-, ](?:19|20)?\d{{2}}|(?:19|20)\d{{2}}[./-]\d{{1,2}}[./-]\d{{1,2}}"
    rf"|\d{{1,2}}(?:st|nd|rd|th|-?го|-?ого|-?е)?(?: of)? ?(?:{_MONTH})(?:,? ?(?:19|20)\d{{2}}|,? ?'?\d{{2}}(?!\d|:))?"
    rf"|(?:jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)[a-z]*\.? \d{{1,2}}(?:st|nd|rd|th)?(?:,? ?(?:19"
    rf"|20)\d{{2}}|,? '?\d{{2}}(?!\d|:))?"
    r"|\d{1,2}[./]\d{1,2}|(?:0[1-9]|[12]\d|3[01])(?:0[1-9]|1[0-2])(?:19|20)\d{2})(?![\d.]*\d)"
)
_WORD = re.compile(
    r"\bд\.? ?р\.?(?![а-я])|\bднюх\w*|\bден[ьь] рожд\w*|\bдня рожд\w*|\bдн[её] рожд\w*|\bдате рожд\w*"
    r"|\bдат[аыу] рожд\w*|\bродил\w*|\bрожден\w*|\bродом\b|\bг\. ?р\.?|\bгр\b"
    r"|\bгода рожд\w*|\bborn\b|\bdobs?\b|\bd\.o\.b\.?|\bdate of birth|\bbirth ?da(?:y|te)\w*|\bb-?day\b"
    r"|\bрожд\b|\bпоявил\w+ на свет|\b(?:я|он|она) с(?= \d)|\bродивс\w*|\bрождени\w*|\bр\.(?= ?\d)|\bbirth\b"
)
_ABOUT_A_PARTY = re.compile(
    r"отме[чт]\w+|праздн\w+|party|celebrat\w*|приглаша\w*|приход\w*|\bбар\w*\b|стол\w*|заброни\w*|подар\w*"
    r"|present|gift|invite\w*|dinner|скид\w*|концерт\w*|расписан\w*|магазин\w*|компани\w*|фирм\w*"
)
_YEAR = re.compile(r"(?:19|20)\d{2}|[./\- ]\d{2}(?: ?г\w*)?$|'\d{2}")
_BEFORE_CHARS = 45
_AFTER_CHARS = 22


def find_birth_dates(source: Source) -> Iterator[Finding]:
    """Yield dates that stand close behind, or right before, a word on birth; one without a year not beside a party."""
    low = source.low
    words = [match.span() for match in _WORD.finditer(low)]
    if not words:
        return
    for match in _DATE.finditer(low):
        start, end = match.span()
        before = min((start - b for _, b in words if b <= start), default=_BEFORE_CHARS + 1)
        after = min((a - end for a, _ in words if a >= end), default=_AFTER_CHARS + 1)
        if before > _BEFORE_CHARS and (after > _AFTER_CHARS or "\n" in low[end : end + after]):
            continue
        if _has_year(match.group()) or (min(before, after) <= 20 and not _ABOUT_A_PARTY.search(low)):
            yield Finding(start, end, Masked.BIRTH_DATE)


def _has_year(date: str) -> bool:
    return (
        re.search(r"(?:19|20)\d{2}", date) is not None
        or re.fullmatch(r"\d{1,2}\D\d{1,2}\D\d{2}\D*", date) is not None
        or (re.search(r"[a-zа-я.,] ?'?\d{2}$", date) is not None and len(re.findall(r"\d+", date)) == 2)
    )
