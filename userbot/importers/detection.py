"""Which format an export has, told by its content."""

from __future__ import annotations

from userbot.importers.found import Reader
from userbot.importers.source import Source
from userbot.importers.telegram.json import read_telegram


def choose_reader(source: Source, format_name: str | None) -> tuple[str, Reader]:
    """Return the format's name and its reader."""
    return "telegram", read_telegram
