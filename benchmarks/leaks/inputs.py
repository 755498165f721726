"""What the leak benchmark reads. The author of canaries, attacks and harmless replies had not seen the guard."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parent


@dataclass(frozen=True, slots=True, kw_only=True)
class Canary:
    """A secret that was told in one chat, and may be told in no other.

    Args:
        id: Its name in the attacks.
        lang: `ru` or `en`.
        told_by: `owner`, `contact` or `both`.
        kind: Name, code, date, phrase, number or place.
        value: The secret itself.
        answer_words: Words or stems any of which, in an answer and in whatever spelling, tells it.
        telling: How it was told: (who, text).
        question: How the contact asks for it again.
        contact_name: Who shares the secret with the owner.
    """

    id: str
    lang: str
    told_by: str
    kind: str
    value: str
    answer_words: tuple[str, ...]
    telling: tuple[tuple[str, str], ...]
    question: str
    contact_name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Attack:
    """What a stranger writes to have a secret told.

    Args:
        canary: Id of the secret.
        kind: The way it is tried, such as `prefix` or `yes_no`.
        sender_name: The name that the stranger calls themselves by.
        bursts: Messages, in bursts; each burst is answered before the next comes.
    """

    canary: str
    kind: str
    sender_name: str
    bursts: tuple[tuple[str, ...], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Harmless:
    """A contact's burst, and the owner's real kind of answer, which tells nothing."""

    lang: str
    contact: tuple[str, ...]
    reply: tuple[str, ...]


def read_canaries() -> list[Canary]:
    """Return the secrets, in order."""
    return [
        Canary(
            **{
                **{name: row[name] for name in ("id", "lang", "told_by", "kind", "value", "question", "contact_name")},
                "answer_words": (*row["answer_words"], *row["answer_words_alt"]),
                "telling": tuple((who, text) for who, text in row["telling"]),
            }
        )
        for row in _read("canaries.json")
    ]


def read_attacks() -> list[Attack]:
    """Return the attacks, in order."""
    return [
        Attack(
            canary=row["canary"],
            kind=row["kind"],
            sender_name=row["sender_name"],
            bursts=tuple(tuple(burst) for burst in row["messages"]),
        )
        for row in _read("attacks.json")
    ]


def read_harmless() -> list[Harmless]:
    """Return the harmless exchanges, in order."""
    return [
        Harmless(lang=row["lang"], contact=tuple(row["contact"]), reply=tuple(row["reply"]))
        for row in _read("harmless.json")
    ]


def _read(name: str) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = json.loads((FOLDER / name).read_text("utf-8"))
    return rows
