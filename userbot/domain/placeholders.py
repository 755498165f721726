"""Placeholders, which stand for attachments and for private values: the one module that writes and recognises them.

A placeholder is compact, on one line, and holds no phone number: `[photo]`, `[voice 0:07]`, `[poll: Who comes?]`. A
model learns from these words what was sent, so live messages use the very words of imported ones, and stored messages
hold them: the forms must not change.
"""

from __future__ import annotations

import re
from enum import StrEnum

DETAIL_CHARS = 80
"""The longest detail of a placeholder, in characters; a longer one is cut."""

_MAX_SECONDS = 360_000


class Kind(StrEnum):
    """What a placeholder stands for; the value is the word in brackets."""

    ATTACHMENT = "attachment"
    AUDIO = "audio"
    CALL = "call"
    CONTACT = "contact"
    EMBED = "embed"
    FILE = "file"
    GAME = "game"
    GIF = "gif"
    GIVEAWAY = "giveaway"
    INVOICE = "invoice"
    LINK = "link"
    LIVE_LOCATION = "live location"
    LOCATION = "location"
    MEDIA = "media"
    PAID_MEDIA = "paid media"
    PHOTO = "photo"
    POLL = "poll"
    STICKER = "sticker"
    STORY = "story"
    TO_DO = "to-do"
    VIDEO = "video"
    VIDEO_MESSAGE = "video message"
    VOICE = "voice"


class Masked(StrEnum):
    """A kind of private value; masking writes its word in brackets in the value's place."""

    PHONE = "phone"
    EMAIL = "email"
    CARD = "card"
    IBAN = "iban"
    ACCOUNT = "account"
    PASSPORT = "passport"
    SNILS = "snils"
    INN = "inn"
    FOREIGN_ID = "foreign_id"
    ADDRESS = "address"
    BIRTH_DATE = "birth_date"
    PASSWORD = "password"  # noqa: S105 - a kind, no password
    CODE = "code"
    SECRET_KEY = "secret_key"  # noqa: S105 - a kind, no key
    SECRET_URL = "secret_url"  # noqa: S105 - a kind, no link
    WALLET = "wallet"
    PLATE = "plate"
    NAME = "name"
    CUSTOM = "private"


# Between these and their detail, which is a title or a question, stands a colon.
_TITLED = frozenset({Kind.POLL, Kind.TO_DO})

_SUFFIXES = {
    Kind.PHOTO: ("jpg", "jpeg", "png", "heic", "webp"),
    Kind.VIDEO: ("mp4", "mov", "webm", "mkv", "3gp"),
    Kind.VOICE: ("opus", "ogg", "m4a", "aac"),
    Kind.AUDIO: ("mp3", "flac", "wav"),
    Kind.GIF: ("gif",),
    Kind.CONTACT: ("vcf",),
}
_KIND_OF_SUFFIX = {suffix: kind for kind, suffixes in _SUFFIXES.items() for suffix in suffixes}

# A detail may hold brackets itself, so the first closing one is enough.
_WRITTEN = re.compile(rf"^\s*(\[(?:{'|'.join(re.escape(kind) for kind in Kind)})(?:[ :][^\]\n]*)?\])", re.MULTILINE)

_MASKED = re.compile(rf"\[(?:{'|'.join(kind.replace('_', ' ') for kind in Masked)})\]", re.IGNORECASE)


def write_masked(kind: Masked) -> str:
    """Write what stands in the place of a private value: `[phone]`, `[birth date]`."""
    return f"[{kind.replace('_', ' ')}]"


def find_masked(text: str) -> tuple[str, ...]:
    """Return what stands in the places of private values, anywhere in a text, in order."""
    return tuple(_MASKED.findall(text))


def write_placeholder(kind: Kind, detail: str | None = None) -> str:
    """Write a placeholder on one line.

    Args:
        kind: What it stands for.
        detail: A name, title, question or duration; white space in it is squeezed, and it is cut to `DETAIL_CHARS`.
    """
    words = " ".join((detail or "").split())
    if len(words) > DETAIL_CHARS:
        words = words[: DETAIL_CHARS - 1] + "…"
    if not words:
        return f"[{kind}]"
    return f"[{kind}: {words}]" if kind in _TITLED else f"[{kind} {words}]"


def write_timed(kind: Kind, seconds: int | None) -> str:
    """Write a placeholder with a duration in seconds, or without one where it is None or nonsense."""
    return write_placeholder(kind, _format_duration(seconds))


def write_audio(performer: str | None, title: str | None, *, seconds: int | None) -> str:
    """Write a piece of music with its name, or with its duration in seconds where it has no name."""
    name = " – ".join(part for part in (performer, title) if part)
    return write_placeholder(Kind.AUDIO, name or _format_duration(seconds))


def write_sticker(emoji: str | None) -> str:
    """Write a sticker: the emoji that it stands for, which people send as text too; a placeholder without one."""
    return emoji or write_placeholder(Kind.STICKER)


def write_file(name: str | None) -> str:
    """Write a file of which only the name is known: by the kind that its suffix tells, else with its name."""
    kind = _KIND_OF_SUFFIX.get((name or "").rsplit(".", 1)[-1].casefold())
    return write_placeholder(Kind.FILE, name) if kind is None else write_placeholder(kind)


def find_placeholder(text: str) -> str | None:
    """Return the first placeholder with which a line of a text begins, as in `[photo] look`; None without one.

    A detail is recognised with every kind, also where none is ever written: a model may invent `[photo of a cat]`.
    """
    match = _WRITTEN.search(text)
    return None if match is None else match[1]


def _format_duration(seconds: int | None) -> str | None:
    """Write minutes and seconds."""
    if seconds is None or not 0 <= seconds < _MAX_SECONDS:
        return None
    return f"{seconds // 60}:{seconds % 60:02d}"
