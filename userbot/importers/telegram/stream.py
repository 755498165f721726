"""Any other JSON layout of the same export: minified, indented anew, keys in another order.

Slower than `layout.py`, and like it never more in memory than some rows.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import ijson

from userbot.errors import ExportFormatError
from userbot.importers.found import Truncated
from userbot.importers.source import MeteredFile
from userbot.importers.telegram.layout import Event
from userbot.importers.telegram.rows import Account, ChatHead, Row, convert, repair

BATCH = 500
_CHUNK_BYTES = 64 << 10
_CHATS = ("", "chats.list.item", "left_chats.list.item")
_ROWS = frozenset(f"{chat}.messages.item".lstrip(".") for chat in _CHATS)
_FIELDS = {f"{chat}.{key}".lstrip("."): key for chat in _CHATS for key in ("name", "type", "id")}
_ACCOUNT = {f"personal_information.{key}": key for key in ("user_id", "first_name", "last_name")}
_SCALARS = frozenset({"string", "number", "null", "boolean"})


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


def read_heads(stream: MeteredFile) -> tuple[Account, list[ChatHead]]:
    """Read what is not rows: the account, and the heads of all chats in order, wherever their keys stand."""
    account, heads = {}, []
    head: dict[str, Any] = {}
    for prefix, event, value in _events(stream):
        if event in _SCALARS:
            if prefix in _FIELDS:
                head[_FIELDS[prefix]] = value
            elif prefix in _ACCOUNT:
                account[_ACCOUNT[prefix]] = value
        elif event == "start_map" and prefix in _CHATS:
            head = {}
        elif event == "start_array" and prefix.endswith("messages") and f"{prefix}.item" in _ROWS:
            head["alone"] = prefix == "messages"
            heads.append(head)
    return convert(Account, account), [convert(ChatHead, head) for head in heads]


def read_stream(stream: MeteredFile, account: Account, heads: list[ChatHead]) -> Iterator[Event]:
    """Yield the account, then for each chat its head and its rows; `Truncated` last if the file ends early.

    Raises:
        ExportFormatError: The JSON is damaged.
    """
    yield account
    left = iter(heads)
    rows: list[Row] = []
    builder: ijson.ObjectBuilder | None = None
    done = False
    for prefix, event, value in _events(stream):
        if builder is not None:
            builder.event(event, value)
            if prefix in _ROWS and event == "end_map":
                rows.append(convert(Row, builder.value))
                builder = None
        elif prefix in _ROWS and event == "start_map":
            builder = ijson.ObjectBuilder()
            builder.event(event, value)
        elif event == "start_array" and f"{prefix}.item" in _ROWS:
            yield next(left, ChatHead())
        if len(rows) >= BATCH or (rows and builder is None and event == "end_array" and f"{prefix}.item" in _ROWS):
            yield rows
            rows = []
        done = prefix == "" and event == "end_map"
    if rows:
        yield rows
    if not done:
        yield Truncated(stream.position)


def _events(stream: MeteredFile) -> Iterator[tuple[str, str, Any]]:
    try:
        yield from ijson.parse(RepairedFile(stream), use_float=True)
    except ijson.JSONError as exc:
        # ijson's text quotes the file, so only its kind may be told.
        if "premature EOF" in str(exc):
            return
        raise ExportFormatError(
            f"{stream.where} is damaged JSON before byte {stream.position}: expected the rest of a Telegram export. "
            f"Export it again; if a program changed the file, use the original."
        ) from None
