"""How attachments of other messengers are written, which name files and no kinds."""

from __future__ import annotations

from userbot.domain.placeholders import bracket, format_duration

__all__ = ["bracket", "describe_file", "format_duration"]


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
