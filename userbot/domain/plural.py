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
    """
    return f"{count:,} {noun if count == 1 else _to_plural(noun)}"


def _to_plural(noun: str) -> str:
    found = _NOUN.match(noun)
    if found is None:
        return noun
    word, rest = found["noun"], found["rest"] or ""
    if re.search(r"[^aeiou]y$", word):
        return f"{word[:-1]}ies{rest}"
    return f"{word}{'es' if word.endswith(('s', 'x', 'ch', 'sh')) else 's'}{rest}"
