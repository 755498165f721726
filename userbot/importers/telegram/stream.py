"""Any other JSON layout of the same export: minified, indented anew, keys in another order.

Slower than `layout.py`; like it, it never holds more than some rows in memory.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import ijson

from userbot.importers.reading.items import Truncated
from userbot.importers.reading.json_stream import parse_events
from userbot.importers.reading.source import MeteredFile
from userbot.importers.telegram.layout import Event
from userbot.importers.telegram.rows import Account, ChatHead, Row, convert

BATCH = 500
_CHATS = ("", "chats.list.item", "left_chats.list.item")
_ROWS = frozenset(f"{chat}.messages.item".lstrip(".") for chat in _CHATS)
_FIELDS = {f"{chat}.{key}".lstrip("."): key for chat in _CHATS for key in ("name", "type", "id")}
_ACCOUNT = {f"personal_information.{key}": key for key in ("user_id", "first_name", "last_name")}
_SCALARS = frozenset({"string", "number", "null", "boolean"})


def read_heads(stream: MeteredFile) -> tuple[Account, list[ChatHead]]:
    """Read everything but the rows, since keys may stand in any order.

    Returns:
        The account, and the heads of all chats in order.

    Raises:
        ExportFormatError: The JSON is damaged.
    """
    account, heads = {}, []
    head: dict[str, Any] = {}
    for prefix, event, value in parse_events(stream):
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
    """Yield the account, then each chat's head and its rows; `Truncated` last if the file ends early.

    Args:
        stream: The file, open at its beginning.
        account: What `read_heads` returned.
        heads: What `read_heads` returned.

    Raises:
        ExportFormatError: The JSON is damaged.
    """
    yield account
    left = iter(heads)
    rows: list[Row] = []
    builder: ijson.ObjectBuilder | None = None
    done = False
    for prefix, event, value in parse_events(stream):
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
