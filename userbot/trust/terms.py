"""What a text says that may be a secret, as terms that can be compared: words, numbers, dates, codes, phrases.

Two readings. `list_said` is strict: what a stored message puts into the index. `list_meant` is generous: everything
that an answer may be read as, so that a secret is found when it is spelled out, broken up, reversed or in the other
alphabet.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import pairwise

from userbot.trust.everyday import (
    is_everyday,
    is_everyday_date,
    is_everyday_number,
    is_everyday_word,
    is_plain_word,
    is_stop,
)
from userbot.trust.normalise import fold, fold_all
from userbot.trust.tokens import (
    Token,
    find_amounts,
    find_dates,
    find_runs,
    is_everyday_run,
    is_unit,
    read_tokens,
    write_run,
)

TELLING = 4
"""Weight of what is written as a name, a number, a date or a code."""

ALONE = 1
"""Weight of a word that stands alone in a sentence, as a name does that answers a question, and exclamations do."""


class Sort(StrEnum):
    """What a term is; the value is how a notice to the owner calls it."""

    NUMBER = "a number"
    NAME = "a name"
    DATE = "a date"
    PHRASE = "a phrase"


@dataclass(frozen=True, slots=True)
class Term:
    """Something that a text says.

    Args:
        sort: What it is.
        form: Its normal form.
        weight: How telling the way is in which it is written, `TELLING` at most; 0 is a word or a phrase like others.
        words: The forms of the words of a phrase.
        rare: None of these words is of everyday talk.
    """

    sort: Sort
    form: str
    weight: int = TELLING
    words: tuple[str, ...] = ()
    rare: bool = False

    @property
    def key(self) -> str:
        """Return the text that the index hashes."""
        return f"{self.sort.name}:{self.form}"


_LONGEST_RUN = 14
_MOST_NUMBERS = 400
_DIGITS = re.compile(r"\d+")
_MEASURE = re.compile(r"\d+([^\W\d_]{1,4})")
_SUFFIXES = frozenset(("k", "к", "h", "m", "м", "ч", "st", "nd", "rd", "th", "x", "х", "го", "е", "и", "я"))
_EXCLAIMED = re.compile(
    r"(?:о|ть|тся|ться|л|ла|ло|ли|шь|ешь|ет|ит|ут|ют|ат|ят|ем|им|те|ую|аю|яю|ыи|ая|ое|ые|ого|аи|уи|ly|ing|ed|ion|ful|ous)$"
)
"""Endings of words that stand alone as exclamations and answers, and are no names; without the accents of й and ё."""


def list_said(text: str) -> list[Term]:
    """Return what a message of a chat puts into the index; words of everyday talk are left out."""
    tokens = read_tokens(text)
    return [
        *_list_words(tokens, text),
        *_list_codes(tokens),
        *_list_numbers(tokens),
        *_list_dates(tokens),
        *_list_phrases(tokens),
    ]


def list_meant(text: str) -> list[Term]:
    """Return everything that an answer may be read as."""
    tokens = read_tokens(text)
    terms = [*_list_codes(tokens), *_list_dates(tokens), *_list_phrases(tokens)]
    terms += [Term(Sort.NUMBER, digits) for digits in _list_digit_runs(tokens)]
    terms += [Term(Sort.NUMBER, amount) for amount, _ in find_amounts(tokens)]
    short = len(tokens) <= 3
    for token in tokens:
        capital = token.text[0].isupper()
        if token.form and _is_common(token, named=capital and (not token.opens or len(tokens) == 1)):
            continue
        forms = {form for form in fold_all(token.text) if len(form) > 2 or len(tokens) == 1 or (capital and short)}
        if len(token.text) >= 4 and token.text.isalpha() and not is_everyday(token.text[::-1]):
            forms.add(fold(token.text[::-1]))
        terms += [Term(Sort.NAME, form) for form in forms]
    terms += [Term(Sort.NUMBER, digits) for digits in _list_scattered_digits(tokens)]
    letters = [token for token in tokens if len(token.text) == 1 and token.text.isalpha()]
    for pieces in (tokens, letters, [letter for letter in letters if letter.text.isupper()]):
        terms += [Term(Sort.NAME, form) for form in _list_joined(pieces)]
    return list(dict.fromkeys(terms))


def list_meant_together(texts: Sequence[str]) -> list[Term]:
    """Return what several answers may be read as together and the last one alone may not: halves, letters one by one.

    Args:
        texts: Answers, oldest first; only what takes in some of the last one is returned.
    """
    parts = [read_tokens(text) for text in ("", *texts)]
    terms = [
        Term(Sort.NUMBER, digits)
        for read in (_digit_pieces, _plain_digits)
        for digits in _join_to_end([read(tokens) for tokens in parts], least=4)
    ]
    letters = [[t.text for t in tokens if len(t.text) == 1 and t.text.isalpha()] for tokens in parts]
    capitals = [[letter for letter in one if letter.isupper()] for one in letters]
    short = [[t.text for t in tokens if t.text.isalpha()] if len(tokens) <= 3 else [] for tokens in parts]
    edges = [[t.text for t in tokens if t.text.isalpha()] for tokens in (parts[-2][-1:], parts[-1][:1])]
    for pieces in (letters, capitals, short, edges):
        for word in _join_to_end(pieces, least=4):
            terms += [Term(Sort.NAME, form) for form in fold_all(word) if len(form) > 2 and not is_everyday(word)]
    return list(dict.fromkeys(terms))


def _list_words(tokens: Sequence[Token], text: str) -> Iterator[Term]:
    shouts = text.isupper() and len(tokens) > 2
    lengths = Counter(token.sentence for token in tokens)
    for n, token in enumerate(tokens):
        named = token.text[0].isupper() and not shouts and not token.opens
        if len(token.form) < 2 or len(token.text) < 2 or _is_common(token, named=named):
            continue
        follower = tokens[n + 1] if n + 1 < len(tokens) else None
        if named or (follower is not None and follower.text.isdecimal() and follower.before in ("-", "_", "–")):
            weight = TELLING
        else:
            alone = token.text[0].isupper() and not shouts and lengths[token.sentence] == 1
            weight = (
                ALONE if alone and not _EXCLAIMED.search(token.text.lower()) and not is_plain_word(token.text) else 0
            )
        yield Term(Sort.NAME, token.form, weight)


def _is_common(token: Token, *, named: bool) -> bool:
    # `Марта` has the form of `март`; written as a name, only the very word counts.
    return is_everyday_word(token.text) if named else is_everyday(token.text)


def _list_codes(tokens: Sequence[Token]) -> Iterator[Term]:
    """Yield words that mix letters and digits: the whole, and each part of it that tells something by itself."""
    for token in tokens:
        letters = "".join(char for char in token.text if char.isalpha())
        if len(token.text) < 3 or not letters or letters == token.text or _is_measure(token.text):
            continue
        if len(token.text) == 3 and not token.text[0].isalpha():
            continue  # `14a`, a house or a bus
        yield Term(Sort.NAME, fold(letters) + "".join(char for char in token.text if char.isdecimal()))
        for digits in _DIGITS.findall(token.text):
            if len(digits) >= 3 and not is_everyday_number(digits):
                yield Term(Sort.NUMBER, digits)
        if len(letters) >= 4 and not is_everyday(letters):
            yield Term(Sort.NAME, fold(letters))


def _is_measure(text: str) -> bool:
    """Tell whether a word is a number with a short unit: `100км`, `14th`, `20k`."""
    match = _MEASURE.fullmatch(text)
    return match is not None and (is_unit(fold(match[1])) or match[1].lower() in _SUFFIXES)


def _list_numbers(tokens: Sequence[Token]) -> Iterator[Term]:
    yield from (Term(Sort.NUMBER, amount) for amount, large in find_amounts(tokens) if large)
    for first, run in find_runs(tokens, connectors=False):
        after = tokens[first + len(run)] if first + len(run) < len(tokens) else None
        if is_everyday_run(run, after):
            continue
        whole = write_run(run)
        if len(whole) >= 3 and not is_everyday_number(whole):
            yield Term(Sort.NUMBER, whole)
        if len(whole) >= 6:
            yield Term(Sort.NUMBER, whole[-4:])
        for token in run if len(run) > 1 else ():
            if token.text.isdecimal() and len(token.text) >= 4 and not is_everyday_number(token.text):
                yield Term(Sort.NUMBER, token.text)


def _list_dates(tokens: Sequence[Token]) -> Iterator[Term]:
    for day, month in find_dates(tokens):
        if not is_everyday_date(day, month):
            yield Term(Sort.DATE, f"{day}.{month}")


def _list_phrases(tokens: Sequence[Token]) -> Iterator[Term]:
    quoted = _find_quoted(tokens)
    content = [n for n, token in enumerate(tokens) if len(token.form) > 1 and not is_stop(token.text)]
    for n, m in pairwise(content):
        first, second = tokens[n], tokens[m]
        everyday = is_everyday(first.text) + is_everyday(second.text)
        if first.sentence == second.sentence and first.form != second.form and everyday < 2:
            words = tuple(sorted((first.form, second.form)))
            weight = TELLING if {n, m} <= quoted else 0
            yield Term(Sort.PHRASE, " ".join(words), weight, words=words, rare=not everyday)


def _find_quoted(tokens: Sequence[Token]) -> set[int]:
    """Return the places of the words between quotation marks: titles, and words that are passed on as they are."""
    inside, found = False, set()
    for n, token in enumerate(tokens):
        for char in token.before:
            inside = char in "«“„" or (char == '"' and not inside) or (inside and char not in '»”"')
        if inside:
            found.add(n)
    return found


def _list_digit_runs(tokens: Sequence[Token]) -> set[str]:
    found: set[str] = set()
    for _, run in find_runs(tokens, connectors=True):
        run = run[:_MOST_NUMBERS]
        for start in range(len(run)):
            for end in range(start + 1, min(len(run), start + _LONGEST_RUN) + 1):
                digits = write_run(run[start:end])
                if len(digits) >= 3:
                    found |= {digits, digits[-4:]} if len(digits) >= 6 else {digits}
                if len(digits) >= 4:
                    found.add(digits[::-1])
    return {digits for digits in found if not is_everyday_number(digits)}


def _list_scattered_digits(tokens: Sequence[Token]) -> set[str]:
    """Return what numbers make together that have words between them: `first comes 47, then 11`."""
    found = set()
    for pieces in (_plain_digits(tokens), _digit_pieces(tokens)):
        for start in range(len(pieces[:_MOST_NUMBERS])):
            whole = ""
            for piece in pieces[start : start + _LONGEST_RUN]:
                whole += piece
                if 4 <= len(whole) <= _LONGEST_RUN and whole != piece:
                    found.add(whole)
    return {digits for digits in found if not is_everyday_number(digits)}


def _digit_pieces(tokens: Sequence[Token]) -> list[str]:
    return [write_run(run) for _, run in find_runs(tokens, connectors=True)]


def _plain_digits(tokens: Sequence[Token]) -> list[str]:
    return [write_run([token]) for token in tokens if token.text.isdecimal()]


def _list_joined(tokens: Sequence[Token]) -> set[str]:
    """Return forms of neighbouring pieces written as one word: letters apart, a word broken up."""
    found: set[str] = set()
    for start in range(len(tokens)):
        word = ""
        for token in tokens[start : start + 24]:
            if not token.text.isalpha() or (word and len(word) > 4 and len(token.text) > 4):
                break
            if len(token.text) > 1 and is_stop(token.text):
                break  # a word of its own, no piece of one: `to me` is no Tom
            word += token.text
            if len(word) > 24:
                break
            if len(word) >= 3 and word != token.text:
                found |= fold_all(word) if not is_everyday(word) else set()
                found |= {fold(word[::-1])} if not is_everyday(word[::-1]) else set()
    return {form for form in found if len(form) > 2}


def _join_to_end(parts: Sequence[Sequence[str]], *, least: int) -> set[str]:
    """Return what neighbouring pieces make together, from some piece before the last part to some piece of the last."""
    if len(parts) < 2 or not parts[-1]:
        return set()
    before = [piece for part in parts[:-1] for piece in part][-12:]
    found = set()
    for start in range(len(before)):
        word = "".join(before[start:])
        for piece in parts[-1][:12]:
            word += piece
            if least <= len(word) <= 24:
                found.add(word)
    return found
