"""The owner's own patterns: words and numbers that are private to them alone."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from userbot.domain.errors import ConfigError
from userbot.domain.placeholders import Masked
from userbot.domain.prompt_rules import CustomPattern
from userbot.trust.detectors.finding import Finding

TIMEOUT_S = 0.05
"""Longest search of one pattern in one message, seconds: some patterns take for ever on some texts."""


def check_patterns(patterns: Iterable[CustomPattern]) -> None:
    """Make sure that patterns can be used.

    Raises:
        ConfigError: One is no regular expression, or matches the empty text; the text names it.
    """
    for pattern in patterns:
        if next(_search(pattern, ""), None) is not None:
            raise ConfigError(
                f"The pattern {pattern.name} matches the empty text, so it would match everywhere. Write what it must "
                f"match at least, such as \\d+ instead of \\d*."
            )


def find_custom(text: str, patterns: Sequence[CustomPattern]) -> Iterator[Finding]:
    """Yield what the owner's patterns match.

    Raises:
        ConfigError: A pattern is no regular expression, or takes too long; the text names it.
    """
    for pattern in patterns:
        yield from (Finding(start, end, Masked.CUSTOM) for start, end in _search(pattern, text) if start < end)


def _search(pattern: CustomPattern, text: str) -> Iterator[tuple[int, int]]:
    try:
        for match in _compile(pattern).finditer(text, timeout=TIMEOUT_S):
            yield match.span()
    except TimeoutError:
        raise ConfigError(
            f"The pattern {pattern.name} took longer than {TIMEOUT_S} s on one message. Write it without a repetition "
            f"inside a repetition, such as (a+)+."
        ) from None


def _compile(pattern: CustomPattern) -> Any:
    import regex  # re has no time-out

    try:
        return regex.compile(pattern.pattern, regex.IGNORECASE)
    except regex.error as exc:
        raise ConfigError(
            f"The pattern {pattern.name} is no regular expression: {exc.msg} at character {exc.pos}."
        ) from None
