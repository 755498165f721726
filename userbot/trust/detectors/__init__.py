"""Private values in chat messages: what masking replaces before training, and what the guard keeps out of answers.

Russian and English as people type them: small letters, odd spaces, no plus, the value in the next line or the next
bubble. Numbers are told apart by their form, their check digits and the nearest word that names them; no model is
loaded, nothing is downloaded, and a message without a digit or a telling word costs a few microseconds.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from itertools import chain

from userbot.domain.prompt_rules import CustomPattern
from userbot.trust.detectors.addresses import find_addresses
from userbot.trust.detectors.credentials import find_codes, find_passwords
from userbot.trust.detectors.custom import find_custom
from userbot.trust.detectors.dates import find_birth_dates
from userbot.trust.detectors.finding import Detector, Finding, Source, keep_apart
from userbot.trust.detectors.identifiers import find_identifiers
from userbot.trust.detectors.links import find_emails, find_secret_urls
from userbot.trust.detectors.numbers import find_numbers
from userbot.trust.detectors.spelled import find_spelled
from userbot.trust.detectors.tokens import find_secret_keys, find_wallets

__all__ = ["CustomPattern", "Finding", "detect", "detect_in_thread", "is_worth_a_look", "names_a_value"]

_DETECTORS: tuple[Detector, ...] = (
    find_secret_urls,
    find_secret_keys,
    find_emails,
    find_wallets,
    find_identifiers,
    find_numbers,
    find_spelled,
    find_birth_dates,
    find_addresses,
    find_codes,
    find_passwords,
)
"""The surest first: where two overlap, the earlier is kept."""

_TELLING = (
    "@", "://", ".me/", ".gg/", "собак", " dot ", "dot]", "dot)", "[at", "(at", "парол", "пороль", "парль", "пасс",
    "пасв", "pass", "pwd", "pw", "логин", "login", "сид", "seed", "фраз", "phrase", "mnemonic", "мнемон", "begin",
    "ключ", "токен", "token", "key", "secret", "секрет", "кодов", "паспор", "семь", "девят", "seven", "nine", "eight",
)  # fmt: skip
"""What a text without a digit must hold to be looked at: each private value has a digit or stands with such a word."""

_DIGIT = re.compile(r"\d")
_LATIN = re.compile(r"[a-z]{3,8}(?![a-z])")
_SEED_WORDS = 11
"""Spaces in the shortest seed phrase, which may stand without a telling word."""


def detect(text: str, patterns: Sequence[CustomPattern] = ()) -> tuple[Finding, ...]:
    """Find private values in one message, or in several that are joined by line breaks.

    Args:
        text: The message.
        patterns: The owner's own patterns; what they find comes before everything else.

    Returns:
        What was found, by position, not overlapping.
    """
    source = Source.read(text)
    found = find_custom(text, patterns) if patterns else ()
    if not _is_worth_a_look(source.low):
        return keep_apart(found)
    return keep_apart(chain(found, *(detector(source) for detector in _DETECTORS)))


def detect_in_thread(bubbles: Iterable[str], patterns: Sequence[CustomPattern] = ()) -> tuple[tuple[Finding, ...], ...]:
    """Find private values in consecutive messages, where one may name what the next one holds.

    Args:
        bubbles: Messages of a chat, oldest first, of either side.
        patterns: The owner's own patterns.

    Returns:
        For each message what was found in it, with positions in that message. A value that runs over several
        messages is found in each of them.
    """
    texts = list(bubbles)
    findings = detect("\n".join(texts), patterns)
    found: list[tuple[Finding, ...]] = []
    start = 0
    for text in texts:
        end = start + len(text)
        found.append(
            tuple(
                Finding(max(one.start, start) - start, min(one.end, end) - start, one.kind)
                for one in findings
                if one.start < end and start < one.end
            )
        )
        start = end + 1
    return tuple(found)


def is_worth_a_look(text: str) -> bool:
    """Return whether a text may hold a private value at all; a few microseconds."""
    return _is_worth_a_look(text.lower())


def names_a_value(text: str) -> bool:
    """Return whether a text has a word after which a value without a digit may stand, such as `password`."""
    return _is_telling(text.lower())


def _is_telling(low: str) -> bool:
    for word in _TELLING:  # noqa: SIM110 - twice as quick as any()
        if word in low:
            return True
    return False


def _is_worth_a_look(low: str) -> bool:
    if _DIGIT.search(low) is not None or _is_telling(low):
        return True
    if low.count(" ") + low.count("\n") < _SEED_WORDS:
        return False
    return len(_LATIN.findall(low)) > _SEED_WORDS
