"""How attachments are written, the same in imported and in live messages: compact, on one line, without phone numbers.

A model learns from these words what was sent, so live messages must use the very words of the training data.
"""

from __future__ import annotations

NAME_LIMIT = 80


def bracket(kind: str, detail: str | None = None) -> str:
    """Write a placeholder on one line, with a detail of bounded length."""
    words = " ".join((detail or "").split())
    if len(words) > NAME_LIMIT:
        words = words[: NAME_LIMIT - 1] + "…"
    return f"[{kind} {words}]" if words else f"[{kind.rstrip(':')}]"


def format_duration(seconds: int | None) -> str | None:
    """Write a duration as minutes and seconds; None for none or nonsense."""
    if seconds is None or not 0 <= seconds < 360_000:
        return None
    return f"{seconds // 60}:{seconds % 60:02d}"


def describe_audio(performer: str | None, title: str | None, *, seconds: int | None) -> str:
    """Name a piece of music, or give its length where it has no name."""
    names = " – ".join(part for part in (performer, title) if part)
    return bracket("audio", names or format_duration(seconds))
