"""JSON read piece by piece, with what exporters break mended on the way."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import ijson

from userbot.domain.errors import ExportFormatError
from userbot.importers.reading.source import MeteredFile

_CHUNK_BYTES = 64 << 10

# The exporter writes control characters as \xHH, which JSON does not know; an escaped backslash before an x is none.
_BAD_ESCAPE = re.compile(r"(?<!\\)((?:\\\\)*)\\x([0-9A-Fa-f]{2})")
_SURROGATE = re.compile(
    r"(?<!\\)((?:\\\\)*)\\u[dD](?:[89abAB][0-9a-fA-F]{2}(?!\\u[dD][c-fC-F])|[c-fC-F][0-9a-fA-F]{2})"
)
_PAIR = re.compile(r"(?<!\\)(?:\\\\)*\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}")


def repair(raw: bytes) -> bytes:
    r"""Replace `\xHH`, lone surrogates and invalid UTF-8 by what JSON allows."""
    text = raw.decode("utf-8", "replace")
    text = _BAD_ESCAPE.sub(r"\1\\u00\2", text)
    if "\\ud" in text.lower():
        text = _replace_lone_surrogates(text)
    return text.encode("utf-8", "replace")


def _replace_lone_surrogates(text: str) -> str:
    pieces = []
    start = 0
    for pair in _PAIR.finditer(text):
        pieces += [_SURROGATE.sub(r"\1\\ufffd", text[start : pair.start()]), pair.group()]
        start = pair.end()
    return "".join([*pieces, _SURROGATE.sub(r"\1\\ufffd", text[start:])])


class RepairedFile:
    """A JSON file whose faulty escapes and bytes are mended while it is read."""

    def __init__(self, stream: MeteredFile) -> None:
        self._stream = stream
        self._held = b""

    def read(self, size: int = -1) -> bytes:
        """Read some bytes; 0 asks for none, as ijson does to learn the type."""
        if size == 0:
            return b""
        while found := self._stream.read(_CHUNK_BYTES):
            found = self._held + found
            cut = self._cut(found)
            found, self._held = found[:cut], found[cut:]
            if found:
                return repair(found)
        found, self._held = self._held, b""
        return repair(found)

    @staticmethod
    def _cut(found: bytes) -> int:
        # Never inside an escape, a pair of escapes, or a character: behind the last plain ASCII character that has
        # twelve of them, with no backslash, before it. Text without such a place is held until there is one.
        for cut in range(len(found), max(0, len(found) - 4096), -1):
            tail = found[max(0, cut - 12) : cut]
            if b"\\" not in tail and tail.isascii():
                return cut
        return 0


def parse_events(stream: MeteredFile) -> Iterator[tuple[str, str, Any]]:
    """Yield ijson's (prefix, event, value); a file that ends early just ends.

    Raises:
        ExportFormatError: The JSON is damaged otherwise.
    """
    try:
        yield from ijson.parse(RepairedFile(stream), use_float=True)
    except (ijson.JSONError, UnicodeDecodeError) as exc:
        # The parser's own text quotes the file, so it may not be told.
        if "premature EOF" not in str(exc):
            raise damaged(stream) from None


def parse_items(stream: MeteredFile, prefix: str) -> Iterator[Any]:
    """Yield the values below a prefix, such as `messages.item`; a file that ends early just ends.

    Raises:
        ExportFormatError: The JSON is damaged otherwise.
    """
    try:
        yield from ijson.items(RepairedFile(stream), prefix, use_float=True)
    except (ijson.JSONError, UnicodeDecodeError) as exc:
        if "premature EOF" not in str(exc):
            raise damaged(stream) from None


def damaged(stream: MeteredFile) -> ExportFormatError:
    """Tell that a file is no sound JSON, and where about."""
    return ExportFormatError(
        f"{stream.where} is damaged JSON before byte {stream.position}: expected the rest of an export. "
        f"Export it again; if a program changed the file, use the original."
    )
