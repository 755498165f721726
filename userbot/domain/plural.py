"""Numbers with their nouns."""

from __future__ import annotations

import re

# The noun of `row without a time` is its first word.
_NOUN = re.compile(r"^(?P<noun>.*?)(?P<rest> (?:without|with|of|in|that) .*)?$")


def format_count(count: int, noun: str) -> str:
    """Write a number with its noun: `1 chat`, `2,974 messages`, `3 replies`, `2 rows without a time`.

    Args:
        count: How many.
        noun: The English noun in the singular; words may follow it.

    Returns:
        The number with thousands separated by commas, and the noun in the form that agrees with it.
    """
    return f"{count:,} {noun if count == 1 else _to_plural(noun)}"


def _to_plural(noun: str) -> str:
    match = _NOUN.match(noun)
    if match is None:
        return noun
    word, rest = match["noun"], match["rest"] or ""
    if re.search(r"[^aeiou]y$", word):
        return f"{word[:-1]}ies{rest}"
    return f"{word}{'es' if word.endswith(('s', 'x', 'ch', 'sh')) else 's'}{rest}"
