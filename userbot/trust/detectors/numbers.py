"""Numbers: phone, card, account, passport, SNILS, INN and those of other countries, told apart in one place.

A number is a run of groups of digits. Each run of neighbouring groups is judged by its length, the form of its groups,
its check digits, and the words around it; the longest that is something is taken.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache

from userbot.domain.placeholders import Masked
from userbot.trust.detectors.context import Surroundings
from userbot.trust.detectors.finding import Finding, Source

_RUN = re.compile(r"\+?[ ]?\(?\d+(?:(?:[ \t\xa0()./\-–—_*]{1,3}|\n)\d+)*")
_GROUP = re.compile(r"\d+")
_MAX_GROUPS = 24

_COUNTRY_CODES = (
    "380", "375", "998", "996", "992", "994", "995", "374", "373", "972", "971", "370", "371", "372", "358", "420",
    "351", "353", "48", "49", "44", "33", "34", "39", "90", "66", "62", "61", "84",
)  # fmt: skip
_OWN_REGIONS = ("GB", "US", "DE", "UA", "BY", "PL", "FR", "IL", "KZ", "IT", "ES", "NL", "TR", "AU")


@dataclass(frozen=True, slots=True)
class _Number:
    """Neighbouring groups of digits, as they stand in the text.

    Args:
        digits: All digits.
        lengths: Length of each group.
        text: As written, with a plus and separators.
        hints: What the words around it say, the nearest first.
    """

    digits: str
    lengths: tuple[int, ...]
    text: str
    hints: tuple[str, ...]

    @property
    def hint(self) -> str:
        """Return what the nearest word says; empty where there is none. `number` says nothing beside another."""
        return next((hint for hint in self.hints if hint != "number"), "number" if self.hints else "")


def find_numbers(source: Source) -> Iterator[Finding]:
    """Yield the numbers of people, their cards, accounts and papers."""
    surroundings: Surroundings | None = None
    for match in _RUN.finditer(source.low):
        groups = [group.span() for group in _GROUP.finditer(match.group())]
        if groups[-1][1] - groups[0][0] < 4 or len(groups) > _MAX_GROUPS:
            continue
        surroundings = surroundings or Surroundings.read(source)
        yield from _find_in_run(source, match, groups, surroundings)


def _find_in_run(
    source: Source, run: re.Match[str], groups: Sequence[tuple[int, int]], surroundings: Surroundings
) -> Iterator[Finding]:
    first = 0
    while first < len(groups):
        for stop in range(len(groups), first, -1):
            start = run.start() + (groups[first][0] if first else len(run.group()) - len(run.group().lstrip()))
            end = run.start() + groups[stop - 1][1]
            if not _stands_free(source.low, start, end):
                continue
            spans = groups[first:stop]
            digits = "".join(run.group()[a:b] for a, b in spans)
            number = _Number(
                digits, tuple(b - a for a, b in spans), source.low[start:end].strip(), surroundings.hints(start, end)
            )
            if (kind := _classify(number)) is not None:
                yield Finding(start, end, kind)
                first = stop - 1
                break
        first += 1


def _stands_free(low: str, start: int, end: int) -> bool:
    before, after = low[start - 1 : start], low[end : end + 1]
    if before and (before.isdigit() or before in "_=" or ("a" <= before <= "z")):
        return before.isalpha() and re.search(r"(?:tel|phone|card|inn|iban)$", low[:start]) is not None
    if before in (".", "-") and low[start - 2 : start - 1].isdigit():
        return False  # the rest of a date or of something longer
    if before == "/" and low[max(0, start - 12) : start].count("/") >= 2:
        return False
    return not after or not (after.isdigit() or after in "_%" or "a" <= after <= "z")


def _classify(number: _Number) -> Masked | None:
    n = len(number.digits)
    if n < 4 or len(set(number.digits)) == 1 or _is_address_of_machine(number):
        return None
    for kind, fits in _RULES:
        if fits(number, n):
            return kind
    return None


def _is_address_of_machine(number: _Number) -> bool:
    parts = number.text.split(".")
    return len(parts) == 4 and all(part.isdigit() and int(part) < 256 for part in parts)


def _is_account(number: _Number, n: int) -> bool:
    if n == 20 and number.hint != "none":
        return number.digits[:2] in ("40", "42", "30", "41", "47", "45", "20") or number.hint in ("account", "card")
    return number.hint == "account" and 6 <= n <= 20 and not _is_card(number, n) and not _has_phone_form(number, n)


def _is_snils(number: _Number, n: int) -> bool:
    if n != 11:
        return False
    return (
        number.lengths == (3, 3, 3, 2) and number.hint != "phone" and "." not in number.text
    ) or number.hint == "snils"


def _is_card(number: _Number, n: int) -> bool:
    if not 13 <= n <= 19 or number.hint in ("snils", "inn", "none", "account") or number.digits[0] in "01":
        return False
    fours = all(length == 4 for length in number.lengths[:-1]) and len(number.lengths) > 2
    whole = len(number.lengths) == 1 or fours or number.lengths == (4, 6, 5) or set(number.lengths) <= {2, 4, 8}
    if not whole:
        return number.hint == "card" and n in (16, 18, 19)
    if n == 16 and (fours or number.hint in ("card", "number")):
        return number.hint != "id"
    return _passes_luhn(number.digits) and ((n in (15, 16) and number.digits[0] in "345629") or number.hint == "card")


def _is_passport(number: _Number, n: int) -> bool:
    if number.hint in ("none", "phone", "card"):
        return False
    if number.lengths == (2, 2, 6):
        return True
    return "passport" in number.hints[:2] and n in (9, 10) and number.digits[0] != "+" and number.text[0] != "+"


def _is_inn(number: _Number, n: int) -> bool:
    if "inn" in number.hints[:2] and number.hint in ("inn", "number"):
        return n in (10, 12)
    from stdnum.ru import inn

    return n == 12 and len(number.lengths) == 1 and not number.hints and inn.is_valid(number.digits)


def _is_foreign_id(number: _Number, n: int) -> bool:
    if number.hint in ("phone", "none", "card", "account", "passport"):
        return False
    if number.lengths == (3, 2, 4) and "-" in number.text:
        return True
    if number.lengths == (3, 3, 3, 2) and "." in number.text:
        return True
    if number.hint == "id":
        return 8 <= n <= 16
    return False


def _is_wallet(number: _Number, n: int) -> bool:
    return (n in (13, 14, 15) and number.digits.startswith("4100") and len(number.lengths) == 1) or (
        number.hint == "wallet" and 12 <= n <= 16
    )


def _is_phone(number: _Number, n: int) -> bool:
    if not 5 <= n <= 15 or (number.hint in ("none", "snils", "inn", "account") and number.text[0] != "+"):
        return False
    if number.text[0] == "+":
        return n >= 9
    if not _has_sane_groups(number):
        return False
    if number.hint == "id" and n not in (11,):
        return False
    if _has_phone_form(number, n):
        return True
    if number.hint in ("phone", "number") and 9 <= n <= 15:
        return number.hint == "phone" or _is_valid_somewhere(number.digits)
    return number.hint == "phone" and n in (6, 7) and len(number.lengths) in (2, 3) and "." not in number.text


def _has_phone_form(number: _Number, n: int) -> bool:
    """Return whether a number is a phone number by itself, whatever stands around it."""
    digits, lengths = number.digits, number.lengths
    if n == 11 and digits[0] in "78" and (digits[1] == "9" or _is_valid("+7" + digits[1:])):
        return lengths != (3, 3, 3, 2)
    if n == 10 and digits[0] == "9":
        return lengths in ((3, 3, 2, 2), (3, 3, 4), (3, 7), (3, 2, 2, 3), (3, 3, 2, 2)) or (
            number.hint in ("phone", "number") or (number.hint == "" and len(lengths) == 1 and _is_valid("+7" + digits))
        )
    if n == 10 and lengths == (3, 3, 4) and digits[0] in "23456789" and not re.search(r"\d\.\d", number.text):
        return True
    if n == 11 and lengths == (1, 3, 3, 4) and digits[0] == "1":
        return True
    if digits.startswith("00") and n >= 11:
        return _is_valid("+" + digits[2:])
    if digits[0] == "0" and 10 <= n <= 12 and (len(lengths) > 1 or number.hint in ("phone", "number") or n == 11):
        return (len(lengths) in (2, 3) and n in (10, 11) and lengths[0] >= 3) or _is_valid_somewhere(digits)
    if n >= 11 and digits.startswith(_COUNTRY_CODES) and (len(lengths) != 1 or number.hint != "" or n == 12):
        return _is_valid("+" + digits)
    return False


def _has_sane_groups(number: _Number) -> bool:
    """Return whether groups look like one number, not like a list of several."""
    lengths = number.lengths
    if set(lengths) == {1}:
        return len(lengths) >= 10
    return len(lengths) <= 7 and all(length > 1 for length in lengths[1:]) and "/" not in number.text


@lru_cache(maxsize=4096)
def _is_valid(number: str) -> bool:
    import phonenumbers

    try:
        return bool(phonenumbers.is_valid_number(phonenumbers.parse(number, None)))
    except phonenumbers.NumberParseException:
        return False


@lru_cache(maxsize=4096)
def _is_valid_somewhere(digits: str) -> bool:
    import phonenumbers

    for region in _OWN_REGIONS:
        try:
            if phonenumbers.is_valid_number(phonenumbers.parse(digits, region)):
                return True
        except phonenumbers.NumberParseException:
            continue
    return False


def _passes_luhn(digits: str) -> bool:
    from stdnum import luhn

    return bool(luhn.is_valid(digits))


_RULES = (
    (Masked.SNILS, _is_snils),
    (Masked.INN, _is_inn),
    (Masked.ACCOUNT, _is_account),
    (Masked.WALLET, _is_wallet),
    (Masked.CARD, _is_card),
    (Masked.PASSPORT, _is_passport),
    (Masked.FOREIGN_ID, _is_foreign_id),
    (Masked.PHONE, _is_phone),
)
"""In order: the first that fits is taken."""
