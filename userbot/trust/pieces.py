"""Secrets that come in pieces: letters written apart, and bits of words over several short answers, put together again.

What is put together is read like any other text. It tells nothing new where the pieces were words of their own.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from userbot.trust.normalise import clean
from userbot.trust.numerals import read_numeral, write_digits

PIECE_LETTERS = 14
"""An answer so short may be a piece of something."""

APART = 3
"""So many single letters in a row are a word that is spelled."""

SHORTEST, LONGEST = 4, 14
"""Lengths of words that are looked for in letters without blanks."""

MOST_LETTERS = 60

_SPELLED = re.compile(rf"(?<!\w)(?:\w\W{{1,3}}){{{APART - 1},}}\w(?!\w)")
_BORDER = re.compile(r"(?<=\d)(?=[^\W\d_])|(?<=[^\W\d_])(?=\d)")
_POINT = re.compile(r"(?<=\d)\s*([.,])\s*(?=\d)")
_APART = re.compile(r"[\W_]+")


def put_together(answer: str, before: Sequence[str] = ()) -> list[str]:
    """Return what an answer may be read as once its pieces are put together, alone and with the answers before it.

    Args:
        answer: Its bubbles as lines.
        before: Earlier answers, oldest first; only those right before it that are short are taken in.

    Returns:
        Texts, none of which is the answer itself; empty for most answers.
    """
    readings = dict.fromkeys([*_read_pieces([answer]), *_read_pieces(_list_bubbles(answer))])
    if _is_piece(answer):
        pieces = [answer]
        for earlier in reversed(before):
            if not _is_piece(earlier):
                break
            pieces.insert(0, earlier)
            readings |= dict.fromkeys(_read_pieces(pieces))
    return [reading for reading in readings if reading != answer]


def list_spelled(answer: str, before: Sequence[str] = ()) -> set[str]:
    """Return the words that may stand in letters written apart, or in pieces that make one string of letters.

    Args:
        answer: Its bubbles as lines.
        before: Earlier answers, oldest first.
    """
    strings = [_APART.sub("", match.group()) for match in _SPELLED.finditer(answer)]
    if _is_piece(answer) and before and _is_piece(before[-1]):
        strings += [_APART.sub("", "".join(reading)) for reading in _read_pieces([*before[-3:], answer])]
    words = set()
    for string in strings:
        letters = string[:MOST_LETTERS]
        for start in range(len(letters)):
            for end in range(start + SHORTEST, min(len(letters), start + LONGEST) + 1):
                words.add(letters[start:end])
    return {word for word in words if word.isalpha()}


def _is_piece(answer: str) -> bool:
    return sum(letter.isalnum() for letter in answer) <= PIECE_LETTERS


def _list_bubbles(answer: str) -> list[str]:
    bubbles = answer.split("\n")
    return bubbles if len(bubbles) > 1 and all(map(_is_piece, bubbles)) else [answer]


def _read_pieces(pieces: Sequence[str]) -> Iterator[str]:
    for whole in ("".join(pieces), " ".join(pieces)) if len(pieces) > 1 else pieces:
        joined = _SPELLED.sub(lambda match: _APART.sub("", match.group()), whole)
        # A numeral alone is one word of a sentence; with spelled letters or in pieces it may be half of a date.
        changed = joined != whole or len(pieces) > 1 or _is_piece(whole) or _count_numerals(whole) > 1
        for text in (joined, _write_numerals(joined)) if changed else ():
            if text != whole or len(pieces) > 1:
                yield text
                yield _BORDER.sub(" ", text)


def _count_numerals(text: str) -> int:
    return sum(read_numeral(clean(word).lower()) is not None for word in text.split())


def _write_numerals(text: str) -> str:
    """Write numerals that follow each other as digits, and join what a point divides."""
    words: list[str] = []
    values: list[int | None] = []
    for word in [*text.split(), ""]:
        value = read_numeral(clean(word).lower()) if word else None
        if value is not None:
            values.append(value)
            continue
        if values:
            words.append(write_digits(values))
            values = []
        words.append(word)
    return _POINT.sub(r"\1", " ".join(words).strip())
