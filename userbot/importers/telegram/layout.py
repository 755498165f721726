"""The file as Telegram Desktop writes it, cut into stretches of rows without parsing it.

The exporter indents by one space per level and escapes every newline inside strings. So a line that closes a brace at
the rows' indent ends a row, and one that closes a bracket one level above ends the chat: two searches for fixed bytes
in each stretch find the borders, and a whole stretch is decoded at once.
"""

from __future__ import annotations

import re
from collections.abc import Generator, Iterator
from dataclasses import dataclass

from userbot.domain.errors import ExportFormatError
from userbot.importers.reading.items import Skipped, Truncated
from userbot.importers.reading.source import MeteredFile
from userbot.importers.telegram.rows import Account, ChatHead, Row, convert, decode_row, parse, split_rows, try_rows

# Small enough for the processor's cache: larger ones were slower.
CHUNK_BYTES = 64 << 10
# Longer than the lists of contacts and sessions that stand before the first chat.
MAX_HEAD_BYTES = 48 << 20
MAX_ROW_BYTES = 16 << 20

Event = Account | ChatHead | list[Row] | Skipped | Truncated
"""What reading a file yields: the account, then each chat's head and its rows."""

_MESSAGES = re.compile(rb'\n( +)"messages": \[(\])?')
_ACCOUNT = re.compile(rb'\n "personal_information": (\{\n.*?\n \})', re.DOTALL)


def has_layout(head: bytes) -> bool:
    """Tell from a file's beginning whether it has Telegram Desktop's own layout."""
    return re.match(rb'(?:\xef\xbb\xbf)?\{\n "', head) is not None


def read_layout(stream: MeteredFile) -> Iterator[Event]:
    """Yield the account, then each chat's head and its rows; `Truncated` last if the file ends early.

    Args:
        stream: The file, open at its beginning.

    Raises:
        ExportFormatError: A row or the part before the first chat is longer than any real one.
    """
    return _Cutter(stream).read()


@dataclass
class _Cutter:
    stream: MeteredFile
    buffer: bytes = b""
    start: int = 0

    def read(self) -> Iterator[Event]:
        yield from self._read_account()
        while (indent := (yield from self._read_head())) is not None:
            if not (yield from self._read_rows(indent)):
                return
        if not self.buffer.rstrip().endswith(b"\n}"):
            yield Truncated(self.start)

    def _read_account(self) -> Iterator[Event]:
        self._fill_until(_MESSAGES)
        match = _ACCOUNT.search(self.buffer)
        yield convert(Account, parse(match.group(1))) if match else Account()

    def _fill_until(self, pattern: re.Pattern[bytes]) -> re.Match[bytes] | None:
        searched = 0
        while (match := pattern.search(self.buffer, searched)) is None or match.end() == len(self.buffer):
            searched = max(0, len(self.buffer) - 100)
            self._check_length(MAX_HEAD_BYTES, 'a list "messages"')
            if not self._fill():
                return match
        return match

    def _read_head(self) -> Generator[Event, None, int | None]:
        """Yield a chat's head; return the indent of its rows, or None at the end of the file."""
        match = self._fill_until(_MESSAGES)
        if match is None:
            return None
        depth = len(match.group(1))
        brace = self.buffer.rfind(b"\n" + b" " * (depth - 1) + b"{\n", 0, match.start())
        raw = self.buffer[max(0, brace) : match.start()].strip().removeprefix(b"\xef\xbb\xbf")
        head = convert(ChatHead, parse(raw.rstrip(b",") + b"}"))
        head.alone = depth == 1
        yield head
        self._drop(match.end())
        return 0 if match.group(2) else depth + 1

    def _read_rows(self, indent: int) -> Generator[Event, None, bool]:
        """Yield a chat's rows; return whether the list was closed."""
        if indent == 0:
            return True
        close = b"\n" + b" " * (indent - 1) + b"]"
        border = b"\n" + b" " * indent + b"},\n"
        searched = 0
        while True:
            cut = self.buffer.rfind(border)
            whole = cut + len(border) - 2
            # A search for the chat's end in every stretch costs more than the failed decoding of its last one.
            rows = try_rows(self.buffer[:whole]) if cut >= 0 else None
            if rows is None and (end := self.buffer.find(close, searched)) >= 0:
                yield from self._decode(end, indent)
                self._drop(end + len(close))
                return True
            if cut >= 0:
                yield from [rows] if rows is not None else self._decode(whole, indent)
                self._drop(whole + 1)
            searched = max(0, len(self.buffer) - len(border)) if rows is None else 0
            self._check_length(MAX_ROW_BYTES, "the end of a row")
            if not self._fill():
                return (yield from self._read_end(close, indent))

    def _read_end(self, close: bytes, indent: int) -> Generator[Event, None, bool]:
        end = self.buffer.find(close)
        if end >= 0:
            yield from self._decode(end, indent)
            self._drop(end + len(close))
            return True
        brace = b"\n" + b" " * indent + b"}"
        if self.buffer.rstrip().removesuffix(b",").endswith(brace):
            yield from self._decode(self.buffer.rfind(brace) + len(brace), indent)
            self._drop(self.buffer.rfind(brace) + len(brace))
        yield Truncated(self.start)
        return False

    def _decode(self, end: int, indent: int) -> Iterator[Event]:
        raw = self.buffer[:end]
        rows = try_rows(raw)
        if rows is None:
            decoded = [decode_row(piece) for piece in split_rows(raw, indent)]
            rows = [row for row in decoded if row is not None]
            if damaged := decoded.count(None):
                yield Skipped("damaged row", damaged)
        if rows:
            yield rows

    def _check_length(self, limit: int, expected: str) -> None:
        if len(self.buffer) > limit:
            raise ExportFormatError(
                f"{self.stream.where} is damaged after byte {self.start}: expected {expected} within {limit} bytes. "
                f"Export it again; if a program changed the file, use the original."
            )

    def _fill(self) -> bool:
        piece = self.stream.read(CHUNK_BYTES)
        self.buffer += piece
        return bool(piece)

    def _drop(self, size: int) -> None:
        self.buffer = self.buffer[size:]
        self.start += size
