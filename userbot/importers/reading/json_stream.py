"""JSON read piece by piece; what exporters break is mended on the way."""

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
    r"""Return a piece of JSON in which `\xHH`, lone surrogates and invalid UTF-8 are replaced by what JSON allows."""
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
    """A JSON file whose faulty escapes and bytes are mended while it is read, as ijson reads files."""

    def __init__(self, stream: MeteredFile) -> None:
        self._stream = stream
        self._rest = b""

    def read(self, size: int = -1) -> bytes:
        """Return some bytes, b"" at the end; ijson asks for 0 bytes to see the type."""
        if size == 0:
            return b""
        while chunk := self._stream.read(_CHUNK_BYTES):
            piece = self._rest + chunk
            cut = self._find_cut(piece)
            self._rest = piece[cut:]
            if cut:
                return repair(piece[:cut])
        rest, self._rest = self._rest, b""
        return repair(rest)

    @staticmethod
    def _find_cut(piece: bytes) -> int:
        # Never inside an escape, a pair of escapes, or a character: behind the last plain ASCII character that has
        # twelve of them, with no backslash, before it. Text without such a place waits until there is one.
        for cut in range(len(piece), max(0, len(piece) - 4096), -1):
            tail = piece[max(0, cut - 12) : cut]
            if b"\\" not in tail and tail.isascii():
                return cut
        return 0


def parse_events(stream: MeteredFile) -> Iterator[tuple[str, str, Any]]:
    """Yield ijson's (prefix, event, value); a file that ends early ends the iteration.

    Raises:
        ExportFormatError: The JSON is damaged otherwise.
    """
    try:
        yield from ijson.parse(RepairedFile(stream), use_float=True)
    except (ijson.JSONError, UnicodeDecodeError) as exc:
        # The parser's own message quotes the file, so it must not be shown.
        if "premature EOF" not in str(exc):
            raise _describe_damage(stream) from None


def parse_items(stream: MeteredFile, prefix: str) -> Iterator[Any]:
    """Yield the values below a prefix, such as `messages.item`; a file that ends early ends the iteration.

    Raises:
        ExportFormatError: The JSON is damaged otherwise.
    """
    try:
        yield from ijson.items(RepairedFile(stream), prefix, use_float=True)
    except (ijson.JSONError, UnicodeDecodeError) as exc:
        if "premature EOF" not in str(exc):
            raise _describe_damage(stream) from None


def _describe_damage(stream: MeteredFile) -> ExportFormatError:
    """Return the error for a file that is not valid JSON, with about the place of the damage."""
    return ExportFormatError(
        f"{stream.where} is damaged JSON before byte {stream.position}: expected the rest of an export. "
        f"Export it again; if a program changed the file, use the original."
    )
