"""Rows of a Telegram Desktop export, typed, and decoded leniently.

Source: Telegram Desktop 6.1.2, Telegram/SourceFiles/export/output/export_output_json.cpp, for keys and their types.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Annotated, Any, TypeVar

import msgspec

from userbot.importers.reading.json_stream import repair

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
# Far from the ends of what the store holds.
MAX_MESSAGE_ID = 2**62

MessageId = Annotated[int, msgspec.Meta(gt=-MAX_MESSAGE_ID, lt=MAX_MESSAGE_ID)]
# A string of seconds, which the decoder turns into a time for next to nothing.
UnixTime = Annotated[datetime, msgspec.Meta(tz=True)]


class Part(msgspec.Struct, gc=False):
    """A piece of formatted text, such as a link."""

    text: str = ""
    type: str = ""


class Row(msgspec.Struct, gc=False, rename={"from_": "from"}):
    """One element of a chat's `messages`: only the fields in use, in the order of the file, which decodes faster.

    Everything is optional. `forwarded_from`, `saved_from` and some media keys count when present, even as null: a
    deleted account's name is null.
    """

    id: MessageId | None = None
    type: str | None = None
    date: str | None = None
    date_unixtime: UnixTime | None = None
    edited: str | None = None
    edited_unixtime: UnixTime | None = None
    actor_id: str | int | None = None
    action: str | None = None
    from_: str | None = None
    from_id: str | int | None = None
    forwarded_from: str | msgspec.UnsetType | None = msgspec.UNSET
    saved_from: str | msgspec.UnsetType | None = msgspec.UNSET
    reply_to_message_id: MessageId | None = None
    reply_to_peer_id: str | int | None = None
    via_bot: str | None = None
    photo: str | None = None
    file: str | None = None
    file_name: str | None = None
    media_type: str | None = None
    sticker_emoji: str | None = None
    performer: str | None = None
    title: str | None = None
    duration_seconds: int | None = None
    contact_information: Any = msgspec.UNSET
    location_information: Any = msgspec.UNSET
    live_location_period_seconds: int | None = None
    place_name: str | None = None
    game_title: str | None = None
    invoice_information: Any = msgspec.UNSET
    poll: Any = None
    todo_list: Any = None
    giveaway_information: Any = msgspec.UNSET
    giveaway_results: Any = msgspec.UNSET
    paid_stars_amount: int | None = None
    text: str | list[str | Part] = ""
    text_entities: msgspec.Raw = msgspec.Raw()


class ChatHead(msgspec.Struct, gc=False):
    """What stands before a chat's `messages`; `alone` when this chat is the whole export."""

    name: str | None = None
    type: str | None = None
    id: int | None = None
    alone: bool = False


class Account(msgspec.Struct, gc=False):
    """The section `personal_information`."""

    user_id: int | None = None
    first_name: str | None = None
    last_name: str | None = None

    @property
    def name(self) -> str | None:
        """First and last name, as the exporter writes senders."""
        return " ".join(part for part in (self.first_name, self.last_name) if part) or None


Shape = TypeVar("Shape", bound=msgspec.Struct)

# Not strict: times are numbers in strings.
_decode_rows = msgspec.json.Decoder(list[Row], strict=False).decode
_decode_row = msgspec.json.Decoder(Row, strict=False).decode
# Of a time beyond the year 9999, the decoder's error is a bare ValueError.
_FAULTS = (msgspec.DecodeError, ValueError, RecursionError)


def try_rows(raw: bytes) -> list[Row] | None:
    """Decode neighbouring rows at once; None if anything about them is wrong.

    Args:
        raw: JSON objects with commas between them.
    """
    try:
        return _decode_rows(b"[%b]" % raw)
    except _FAULTS:
        return None


def split_rows(raw: bytes, indent: int) -> Iterator[bytes]:
    """Cut a stretch of rows into single ones: no string holds a raw newline, so the closing brace's indent decides.

    Args:
        raw: JSON objects with commas between them, as Telegram Desktop indents them.
        indent: Spaces before the brace that closes a row.
    """
    close = b"\n" + b" " * indent + b"}"
    start = 0
    while (end := raw.find(close + b",", start)) >= 0:
        yield raw[start : end + len(close)]
        start = end + len(close) + 1
    if raw[start:].strip():
        yield raw[start:]


def decode_row(raw: bytes) -> Row | None:
    """Decode one row, and mend what the exporter or another tool broke; None if it is not a JSON object."""
    try:
        return _decode_row(raw)
    except _FAULTS:
        pass
    value = parse(raw)
    return convert(Row, value) if isinstance(value, dict) else None


def parse(raw: bytes) -> object:
    """Decode a piece of JSON after mending it; None if it is not JSON."""
    try:
        return msgspec.json.decode(repair(raw))
    except _FAULTS:
        return None


def convert(kind: type[Shape], value: object) -> Shape:
    """Return a struct with those fields of a decoded object that have the right type; the others keep their default."""
    shape = kind()
    if isinstance(value, dict):
        for field in msgspec.structs.fields(kind):
            if field.encode_name in value:
                # Rows are as lenient here as in the decoder above.
                setattr(shape, field.name, _convert(value[field.encode_name], field, strict=kind is not Row))
    return shape


def join_text(value: Any) -> str:
    """Return a text that may be a string, or a list of strings and of objects with a `text`, as one string."""
    if isinstance(value, str):
        return value
    if not isinstance(value, list):
        return ""
    return "".join(_part_text(part) for part in value)


def _convert(value: object, field: msgspec.structs.FieldInfo, *, strict: bool) -> Any:
    try:
        return msgspec.convert(value, field.type, strict=strict)
    except _FAULTS:
        if field.name == "text":
            return join_text(value)
        # An absurd time is not a missing one, for which the local time would stand in.
        is_absurd = isinstance(value, str) and field.name in ("date_unixtime", "edited_unixtime")
        return EPOCH if is_absurd else field.default


def _part_text(part: Any) -> str:
    text = part.get("text") if isinstance(part, dict) else getattr(part, "text", part)
    return text if isinstance(text, str) else ""
