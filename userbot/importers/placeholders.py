"""How attachments are written: compact, on one line, and never with a phone number."""

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


def describe_file(name: str | None) -> str:
    """Name a file by its kind if its suffix tells, else by its name."""
    suffix = (name or "").rsplit(".", 1)[-1].casefold()
    for kind, suffixes in _KINDS.items():
        if suffix in suffixes:
            return bracket(kind)
    return bracket("file", name)


_KINDS = {
    "photo": ("jpg", "jpeg", "png", "heic", "webp"),
    "video": ("mp4", "mov", "webm", "mkv", "3gp"),
    "voice": ("opus", "ogg", "m4a", "aac"),
    "audio": ("mp3", "flac", "wav"),
    "gif": ("gif",),
    "contact": ("vcf",),
}
