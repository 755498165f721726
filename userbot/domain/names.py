"""Names that others gave themselves: how they are compared, and how they are written where they could do harm.

Anybody may call themselves anything, so a name proves nothing. Two names are the same to a reader when they look the
same, whatever characters they consist of.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Collection

NAME_CHARS = 64
"""Longest name in a prompt or an answer to the owner; Telegram allows 128 characters."""

MEMBER_NAME_CHARS = 40
"""Longest name before each message of a group's member, which nobody but the member chose."""

_EMOJI_JOINERS = frozenset("\u200d\ufe0f")
# Letters and marks without a shape: Hangul fillers, Braille blank, variation selectors.
_FILLERS = re.compile(
    "[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u2800\u3164\uffa0\ufe00-\ufe0e\U000e0100-\U000e01ef]"
)
# Frames of chat templates: `<|im_start|>`, `[/INST]`, `<start_of_turn>`, `### Human`, and role marks, `USER:`.
_FRAMES = re.compile(
    r"<[|｜][^<>]{0,60}[|｜]>|</?[a-z]+(?:_[a-z]+)*>|<<?/?SYS>>?|\[/?[A-Z][A-Z_]+\]|\[control_\d+\]|#{2,}|`{3,}"
)
_ROLES = re.compile(r"\b(user|assistant|system|human|clone|model|bot|ai|instruction|response)\s*[:：]", re.IGNORECASE)
_ID = re.compile(r"[-+]?\d+", re.ASCII)
_DASHES = re.compile("[\u2010-\u2015\u2212\uff0d\ufe63]")
# What each letter is mistaken for, in capitals or small letters; accents are gone before this is looked up.
_LOOK_ALIKES = {
    "a": "аαᴀɑ", "b": "вьβ6ʙ", "c": "сϲᴄ", "d": "ԁđᴅ", "e": "еєεᴇ", "f": "ꜰ", "g": "ɢɡ", "h": "нһħηʜ",
    "i": "іӏιıl1|!ɪʟ", "j": "јϳᴊ", "k": "кκᴋ", "m": "мμᴍ", "n": "пŋɴո", "o": "оοσ0øᴏօ", "p": "рρᴘ", "q": "ԛ",
    "r": "гґʀ", "s": "ѕ5ꜱ", "t": "тτᴛ", "u": "υᴜս", "v": "ѵνᴠ", "w": "ԝωᴡ", "x": "хχ", "y": "уүγʏ", "z": "ᴢ",
    "3": "зэ", "4": "ч",
}  # fmt: skip
_SHOWN_AS = str.maketrans({letter: shown for shown, letters in _LOOK_ALIKES.items() for letter in letters})


def clean_name(text: str, *, limit: int = NAME_CHARS) -> str:
    """Return a name that fits into a line: without line breaks, invisible characters and frames of chat templates.

    Ordinary names stay as they are, emoji included.

    Args:
        text: As its bearer wrote it.
        limit: Longest result, characters.
    """
    spaced = " ".join(text.split())
    kept = "".join(one for one in spaced if _is_shown(one))
    before = ""
    while kept != before:  # what is left of one frame may make another
        before, kept = kept, " ".join(_ROLES.sub(r"\1 ", _FRAMES.sub(" ", kept)).split())
    return kept[:limit].strip()


def member_name(text: str) -> str:
    """Return a name that can stand before a member's words, as `Vera: hello`; never empty."""
    return clean_name(text.replace(":", " ").replace("\uff1a", " "), limit=MEMBER_NAME_CHARS) or "somebody"


def name_key(text: str) -> str:
    """Return what two equal names have in common: case, spaces and invisible characters do not count."""
    shown = "".join(one for one in unicodedata.normalize("NFC", text) if _is_shown(one) and one not in _EMOJI_JOINERS)
    return unicodedata.normalize("NFC", " ".join(_FILLERS.sub("", shown).split()).casefold())


def name_skeleton(text: str) -> str:
    """Return what two names that look alike have in common.

    Only letters and digits count, accents do not, and a letter of another alphabet is the one that it looks like; a
    name without letters and digits counts as it is.
    """
    plain = unicodedata.normalize("NFKD", unicodedata.normalize("NFKC", name_key(text)).casefold())
    letters = "".join(one for one in plain if one.isalnum() or one in "|!")
    return letters.translate(_SHOWN_AS) or name_key(text)


def choose_free(name: str, taken: Collection[str]) -> str:
    """Return a name, numbered where it looks like one that is taken: `Vera (2)`.

    Args:
        name: Cleaned; an empty one is never numbered.
        taken: Skeletons of the names of others.
    """
    free, number = name, 1
    while name and name_skeleton(free) in taken:
        number += 1
        free = f"{name} ({number})"
    return free


def read_id(text: str) -> int | None:
    """Return the id that a text consists of, such as `-1001234567890`; None where it is something else."""
    shown = _DASHES.sub("-", "".join(one for one in text if _is_shown(one)).strip())
    return int(shown) if _ID.fullmatch(shown) else None


def _is_shown(character: str) -> bool:
    return character in _EMOJI_JOINERS or unicodedata.category(character) not in ("Cc", "Cf", "Cs", "Co", "Cn")
