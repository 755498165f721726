"""What a reader sees of a text: without characters that have no shape, except where they shape their neighbours.

Invisible characters hide a word from a pattern, and a message of nothing else would still look like one to a model. So
they are taken out before a text is answered, trained on or compared. Emoji and scripts that need joiners keep theirs.
"""

from __future__ import annotations

import re
import unicodedata

from userbot.domain.text import LINE_BREAKS

# Letters and marks without a shape: combining grapheme joiner, Hangul fillers, Khmer vowels, Mongolian selectors,
# variation selectors.
_SHAPELESS = (
    "\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u3164\uffa0\ufe00-\ufe0f\U000e0100-\U000e01ef\ufffc"
    "\U0001d159\U00016fe4"
)
_BRAILLE_BLANK = "\u2800"
_JOINERS = "\u200c\u200d"
_TAGS = "\U000e0020-\U000e007f"
_FLAG = re.compile(f"\U0001f3f4[{_TAGS}]+")
_NUMBER_KEY = re.compile("[0-9#*]\ufe0f\u20e3")
_SHAPELESS_ONE = re.compile(f"[{_SHAPELESS}]")
# Where none of these occurs, a text is returned as it is; every other character of no shape is found by its category.
_SUSPECT = re.compile(r"[^\t\n\r\x20-\x7e\u00a1-\u00ac\u00ae-\u02ff\u0370-\u0482\u048a-\u0590]")


def clean_text(text: str) -> str:
    """Return what a reader sees of a text; "" where there is nothing to see, such as of marks over nothing."""
    shown = drop_invisible(text)
    return shown if _stands_out(shown) else ""


def drop_invisible(text: str) -> str:
    """Return a text without invisible characters; emoji sequences and scripts written with joiners stay whole."""
    if not _SUSPECT.search(text):
        return text
    kept: set[int] = set()
    for match in (*_FLAG.finditer(text), *_NUMBER_KEY.finditer(text)):
        kept.update(range(match.start(), match.end()))
    return "".join(
        " " if one == _BRAILLE_BLANK else one
        for place, one in enumerate(text)
        if place in kept or _is_shown(one) or _shapes_neighbours(text, place)
    )


def _stands_out(text: str) -> bool:
    """Tell whether there is anything to see: a letter, digit, sign or emoji, and not only marks over nothing."""
    return any(unicodedata.category(one)[0] not in "MZC" or unicodedata.category(one) in ("Co", "Cn") for one in text)


def _is_shown(one: str) -> bool:
    if one == "\t" or one in LINE_BREAKS:
        return True
    return unicodedata.category(one) not in ("Cf", "Cc", "Cs") and not _SHAPELESS_ONE.match(one)


def _shapes_neighbours(text: str, place: int) -> bool:
    """Tell whether a joiner or selector changes how its neighbours look, so that it belongs to the writing."""
    one, before = text[place], text[place - 1] if place else ""
    after = text[place + 1] if place + 1 < len(text) else ""
    if one in "\ufe0e\ufe0f":
        return bool(before) and unicodedata.category(before) in ("So", "Sm", "Po", "Sk") and ord(before) > 0xA8
    if one not in _JOINERS or not before:
        return False
    if one == "\u200d" and _is_pictograph(before) and bool(after) and _is_pictograph(after):
        return True
    return _joins(before) and (not after or _joins(after) or not after.isalnum())


def _is_pictograph(one: str) -> bool:
    return unicodedata.category(one) in ("So", "Cn", "Sk") or one == "\ufe0f"


def _joins(one: str) -> bool:
    # Arabic and its relatives, and the scripts of India and South-East Asia.
    return 0x0600 <= ord(one) <= 0x0DFF or 0x0E00 <= ord(one) <= 0x109F or 0x1780 <= ord(one) <= 0x18AF


def fold(text: str) -> tuple[str, list[int] | None]:
    """Return a text as a tokenizer or a reader may take it: compatibility forms and look-alikes as plain Latin.

    Args:
        text: As it was written.

    Returns:
        The folded text, and for each of its characters its place in `text`; None where the places are the same.
    """
    if text.isascii():
        return text, None
    if unicodedata.is_normalized("NFKC", text):
        return text.translate(LOOK_ALIKES), None
    folded, places = [], []
    for place, one in enumerate(text):
        plain = unicodedata.normalize("NFKC", one).translate(LOOK_ALIKES)
        folded.append(plain)
        places.extend([place] * len(plain))
    return "".join(folded), places


def _table(shown: str, *looks: str) -> dict[int, str]:
    return {ord(look): one for alike in looks for one, look in zip(shown, alike, strict=True) if look != " "}


LOOK_ALIKES = (
    _table("ABCEHIJKMOPSTXYaceijopsxyhkmtrnu", "АВСЕНІЈКМОРЅТХУасеіјорѕхуһкмтгпи", "ΑΒϹΕΗΙ ΚΜΟΡ ΤΧΥα ειϳορ χγ κ τ ηυ")
    | _table(":::::::", "∶꞉ː˸܃׃։")
    | _table("||||", "ǀ∣│❘")
    | _table("<<<", "‹〈⟨")
    | _table(">>>", "›〉⟩")
    | _table("##", "♯⌗")
    | _table("[[]]", "⟦【⟧】")
    | {ord("▁"): " ", ord("⁄"): "/", ord("∕"): "/"}
)
"""What single characters are taken for; all of them stay single."""
