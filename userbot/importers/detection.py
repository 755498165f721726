"""Detect the format of an export by its content."""

from __future__ import annotations

import re
from typing import NoReturn

import ijson

from userbot.domain.errors import ConfigError, ExportFormatError
from userbot.importers.discord import read_discord
from userbot.importers.meta import read_instagram, read_messenger
from userbot.importers.reading.items import FORMATS, Reader
from userbot.importers.reading.json_stream import repair
from userbot.importers.reading.source import Source
from userbot.importers.telegram.html import is_page, read_html
from userbot.importers.telegram.json import read_telegram
from userbot.importers.whatsapp import read_whatsapp
from userbot.importers.whatsapp_lines import match_line

READERS: dict[str, Reader] = {
    "telegram": read_telegram,
    "telegram-html": read_html,
    "whatsapp": read_whatsapp,
    "instagram": read_instagram,
    "messenger": read_messenger,
    "discord": read_discord,
}

_HEAD_BYTES = 256 << 10
_SHOWN = 6
_TRIED_LINES = 50
_TELEGRAM_KEYS = {"personal_information", "chats", "left_chats", "frequent_contacts", "profile_pictures"}


def find_reader(format_name: str) -> Reader:
    """Return the reader of a format.

    Args:
        format_name: One of `FORMATS`.

    Raises:
        ConfigError: There is no format of that name.
    """
    if format_name not in READERS:
        raise ConfigError(f"There is no format {format_name!r}. Use --format with one of {', '.join(FORMATS)}.")
    return READERS[format_name]


def detect_part(source: Source, part: str, *, required: bool) -> str | None:
    """Return the name of the format of one file.

    Args:
        source: The export.
        part: The file.
        required: Whether it has to be of a known one.

    Returns:
        A name of `FORMATS`, or None.

    Raises:
        ExportFormatError: It has to be of a known format and is not; the text names what was seen.
    """
    name, seen = _detect_content(source, part)
    return _refuse(source.where(part), seen) if required and name is None else name


def list_likely(source: Source) -> list[str]:
    """Return the files of a folder or an archive that may belong to an export, the likeliest first."""
    names = source.parts()
    likely = [name for name in names if name.lower().endswith((".json", ".html", ".txt")) and "/." not in f"/{name}"]
    return sorted(likely, key=lambda name: (not name.endswith("result.json"), name.count("/")))


def refuse_folder(source: Source) -> NoReturn:
    """Raise the error for a folder or an archive without an export.

    Raises:
        ExportFormatError: Always; the text names what is there.
    """
    names = source.parts()
    if not names:
        _refuse(str(source.path), "it is empty")
    shown = ", ".join(names[:_SHOWN])
    _refuse(str(source.path), f"its files are {shown}{' and more' if len(names) > _SHOWN else ''}")


def _detect_content(source: Source, part: str) -> tuple[str | None, str]:
    """Return the format of one part, or None, and what was seen in it."""
    head = source.head(part, _HEAD_BYTES)
    start = head.removeprefix(b"\xef\xbb\xbf").lstrip()
    text = start.decode("utf-8", "replace")
    if any(match_line(line) for line in text.splitlines()[:_TRIED_LINES]):
        return "whatsapp", ""
    if start[:1] in (b"{", b"["):
        return _detect_json(start, f"{source.path}/{part}")
    if start[:1] == b"<":
        is_telegram = is_page(part) or 'class="page_wrap"' in text
        return ("telegram-html" if is_telegram else None), "it is an HTML page that Telegram Desktop did not write"
    if b"\0" in head:
        return None, "it is not text"
    return None, "it is text without lines that begin with a time"


def _detect_json(start: bytes, name: str) -> tuple[str | None, str]:
    keys, inner = _read_keys(start)
    if keys & _TELEGRAM_KEYS or ({"messages", "type", "id"} <= keys | inner and "type" in keys):
        return "telegram", ""
    if {"channel", "guild"} <= keys:
        return "discord", ""
    if "participants" in keys and ("messages" in keys or "threadName" in keys):
        hints = name.casefold() + (" instagram" if b"instagram" in start.lower() else "")
        return ("instagram" if "instagram" in hints else "messenger"), ""
    if start[:1] == b"[":
        return None, f"it is a JSON list{_list_keys(inner, ' of objects with the keys ')}"
    return None, f"it is a JSON object{_list_keys(keys, ' with the keys ')}"


def _read_keys(start: bytes) -> tuple[set[str], set[str]]:
    """Return the keys of the top level, and all keys below it, as far as the beginning of the file shows."""
    keys: set[str] = set()
    inner: set[str] = set()
    try:
        for prefix, event, value in ijson.parse(repair(start)):
            if event == "map_key":
                (inner if prefix else keys).add(value)
    except ijson.JSONError:
        pass  # The beginning of a file ends anywhere.
    return keys, inner


def _list_keys(keys: set[str], words: str) -> str:
    plain = sorted(key for key in keys if re.fullmatch(r"[\w-]{1,40}", key))
    return words + ", ".join(plain[:_SHOWN]) if plain else ""


def _refuse(where: str, seen: str) -> NoReturn:
    raise ExportFormatError(
        f"{where} is not an export of a known format: {seen}. "
        f"Give Telegram Desktop's result.json, or name the format with --format: {', '.join(FORMATS)}."
    )
