"""One form for a word however it is written: alphabet, case ending, look-alike letters, digits in place of letters.

Forms are compared, never shown. Both alphabets become one Latin form, so that `Рексика`, `Reksik`, `Рexсик` and
`R3ksik` are all `reksik`. A form is coarse on purpose: two words of one form make an answer wait at worst.
"""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache

_LATIN = str.maketrans(
    {
        "а": "a", "б": "b", "в": "v", "г": "g", "д": "d", "е": "e", "ё": "e", "ж": "zh", "з": "z", "и": "i", "й": "i",
        "к": "k", "л": "l", "м": "m", "н": "n", "о": "o", "п": "p", "р": "r", "с": "s", "т": "t", "у": "u", "ф": "f",
        "х": "h", "ц": "ts", "ч": "ch", "ш": "sh", "щ": "sh", "ъ": "", "ы": "i", "ь": "", "э": "e", "ю": "u", "я": "a",
        "і": "i", "ї": "i", "є": "e", "ґ": "g", "ў": "u",
    }
)  # fmt: skip
_LOOKS = str.maketrans("aceopxykmtbhuinr", "асеорхукмтвниипг")
_LOOKS_ONLY = frozenset("aceopxykmtbh")
_LOOKS_TOO = str.maketrans("асеорхуктмвн", "aceopxyktmbh")
_LEET = str.maketrans("013457@$", "oieastas")

_SPELLINGS = (
    (re.compile(r"shch|sch"), "sh"),
    (re.compile(r"kh"), "h"),
    (re.compile(r"tz"), "ts"),
    (re.compile(r"ph"), "f"),
    (re.compile(r"x"), "ks"),
    (re.compile(r"w"), "v"),
    (re.compile(r"q"), "k"),
    (re.compile(r"ck"), "k"),
    (re.compile(r"c(?=[eiy])"), "s"),
    (re.compile(r"c(?!h)"), "k"),
    (re.compile(r"[yji]([aeu])"), r"\1"),
    (re.compile(r"[yj]o"), "e"),
    (re.compile(r"[yj]"), "i"),
    (re.compile(r"(.)\1+"), r"\1"),
)
# The shortest beginning of which the rest is made of endings: `artem`, `artema`, `artemom` are all `art`.
_ENDINGS = re.compile(r"(.{3,}?)(?:[aeiou]|[aeoi]m|[ai]mi|[ai]h|[oe]v|[oe]go|[oe]mu|s)*")
_FLEETING = re.compile(r"(?<=[bcdfghklmnprstvz])[eo](?=[lkrn]$)")
_H = re.compile(r"(?<![zcs])h")
_PLAIN = re.compile(r"[\x00-\x7fа-яёА-ЯЁ–—«»…]*")
_PLAIN_ACCENTS = str.maketrans("йЙёЁ", "иИеЕ")
_CYRILLIC = re.compile(r"[а-яёіїєґў]")
_LATIN_LETTER = re.compile(r"[a-z]")


def clean(text: str) -> str:
    """Return a text without invisible characters and accents, full-width and styled letters as plain ones."""
    if _PLAIN.fullmatch(text):
        return text.translate(_PLAIN_ACCENTS)
    kept = (
        char for char in unicodedata.normalize("NFKD", text) if unicodedata.category(char) not in ("Cf", "Mn", "Me")
    )
    # Composed again by hand, as the accents of й and ё were taken too; both fall together with и and е below.
    return "".join(kept)


@lru_cache(maxsize=200_000)
def fold(word: str) -> str:
    """Return the form of one word: letters of either alphabet, in any case.

    Args:
        word: What `clean` left, without digits.
    """
    low = word.lower()
    if _CYRILLIC.search(low) and _LATIN_LETTER.search(low):
        low = low.translate(_LOOKS)
    return _stem(_spell(low.translate(_LATIN)))


@lru_cache(maxsize=50_000)
def fold_all(word: str) -> frozenset[str]:
    """Return every form that a written word may stand for: also read with look-alikes, and with digits as letters."""
    low = word.lower()
    forms = set()
    if any(char.isdigit() or char in "@$" for char in low):
        low = low.translate(_LEET)
    letters = "".join(char for char in low if char.isalpha())
    if len(letters) < 2:
        return frozenset()
    forms.add(fold(letters))
    if _CYRILLIC.search(letters) and _LATIN_LETTER.search(letters):
        forms.add(_stem(_spell(letters.translate(_LATIN))))
    if set(letters) <= _LOOKS_ONLY:
        forms.add(fold(letters.translate(_LOOKS)))
    if letters != (latin := letters.translate(_LOOKS_TOO)) and not _CYRILLIC.search(latin):
        forms.add(fold(latin))
    # Russian writes the h of other languages as г.
    return frozenset(forms) | {_H.sub("g", form) for form in forms} | {form.replace("g", "h") for form in forms}


def _spell(low: str) -> str:
    for pattern, one in _SPELLINGS:
        low = pattern.sub(one, low)
    return low


def _stem(form: str) -> str:
    match = _ENDINGS.fullmatch(form)
    stem = match[1] if match else form
    if len(stem) == 3 and stem[-1] in "aeiou":
        return stem[:2]
    return _FLEETING.sub("", stem) if len(stem) > 3 else stem
