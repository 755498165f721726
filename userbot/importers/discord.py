"""Discord, as DiscordChatExporter writes it in JSON: one file per channel.

Source: Tyrrrz/DiscordChatExporter, JsonMessageWriter.cs, for the keys and the names of channel and message types.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from userbot.domain.derived_ids import derive_chat_id
from userbot.domain.errors import ExportFormatError
from userbot.domain.messages import Chat, ChatKind, Message, Origin
from userbot.domain.placeholders import Kind, write_file, write_placeholder
from userbot.importers.reading.items import Hints, Item, Owner, Truncated, gather
from userbot.importers.reading.json_stream import parse_events, parse_items
from userbot.importers.reading.names import choose_by_name
from userbot.importers.reading.source import Source

MAX_ID = 2**63 - 1

_MESSAGE_TYPES = ("Default", "Reply")


@dataclass(slots=True)
class _Channel:
    """A channel's head, and its authors by account name and by nickname."""

    id: str = ""
    type: str = ""
    name: str = ""
    guild: str = ""
    whole: bool = False
    authors: Counter[str] = field(default_factory=Counter)
    nicknames: dict[str, str] = field(default_factory=dict)
    bots: set[str] = field(default_factory=set)


def read_discord(source: Source, hints: Hints) -> Iterator[Item]:
    """Yield what the channels' files hold.

    Raises:
        ExportFormatError: There is no channel, or one is damaged.
        OwnerUnknownError: Neither the contact of a direct chat nor a hint tells who the owner is.
    """
    parts = source.parts(".json") or source.parts()
    source.expect(parts, passes=3)
    for part in parts:
        channel = _take_survey(source, part)
        if not channel.id:
            if len(parts) > 1:
                continue
            raise ExportFormatError(
                f"{source.where(part)} is not a Discord channel: expected the keys guild, channel and messages. "
                f"Export it with DiscordChatExporter, format Json."
            )
        yield from _read_channel(source, part, channel, hints)


def _take_survey(source: Source, part: str) -> _Channel:
    channel = _Channel()
    with source.open(part) as stream:
        for prefix, event, value in parse_events(stream):
            if event == "string" and prefix.startswith(("channel.", "guild.name")):
                key = "guild" if prefix == "guild.name" else prefix.removeprefix("channel.")
                if key in ("id", "type", "name", "guild"):
                    setattr(channel, key, value)
            channel.whole = prefix == "" and event == "end_map"
    if channel.id:
        with source.open(part) as stream:
            for row in parse_items(stream, "messages.item"):
                author = _author(row)
                if author and row.get("type") in _MESSAGE_TYPES:
                    channel.authors[author] += 1
                    channel.nicknames[str(row["author"].get("nickname"))] = author
                    if row["author"].get("isBot") is True:
                        channel.bots.add(author)
    return channel


def _read_channel(source: Source, part: str, channel: _Channel, hints: Hints) -> Iterator[Item]:
    is_direct = channel.type == "DirectTextChat"
    contact = channel.nicknames.get(channel.name, channel.name) if is_direct else None
    people = {name: count for name, count in channel.authors.items() if name not in channel.bots}
    owner = choose_by_name(people, hints, where=source.where(part), contact=contact)
    kind = ChatKind.GROUP
    if is_direct:
        kind = ChatKind.BOT if channel.bots else ChatKind.PRIVATE
    title = channel.name if is_direct or not channel.guild else f"{channel.guild}: {channel.name}"
    chat = Chat(id=derive_chat_id("discord", channel.id), kind=kind, title=title, source="discord")
    yield Owner(None, owner)
    yield chat
    with source.open(part) as stream:
        yield from gather(_convert(row, chat, owner) for row in parse_items(stream, "messages.item"))
    if not channel.whole:
        yield Truncated(source.size(part), part)


def _convert(row: Any, chat: Chat, owner: str) -> Message | str:
    author = _author(row)
    if not author:
        return "row without a sender"
    if row.get("type") not in _MESSAGE_TYPES:
        return "service message"
    message_id = _read_id(row.get("id"))
    sent_at = _read_time(row.get("timestamp"))
    if message_id is None or sent_at is None:
        return "row without an id" if message_id is None else "row without a time"
    content = row.get("content")
    text = content if isinstance(content, str) else ""
    media = _describe_media(row)
    if not text and media is None:
        return "empty message"
    reference = row.get("reference")
    return Message(
        chat_id=chat.id,
        id=message_id,
        origin=Origin.OWNER if author == owner else Origin.CONTACT,
        sent_at=sent_at,
        text=text,
        media=media,
        sender_name=author if chat.kind is ChatKind.GROUP else None,
        reply_to_id=_read_id(reference.get("messageId")) if isinstance(reference, dict) else None,
        edited_at=_read_time(row.get("timestampEdited")),
    )


def _author(row: Any) -> str:
    """Return an author's account name, which is unique, not the nickname on one server; "" without one."""
    author = row.get("author") if isinstance(row, dict) else None
    name = author.get("name") if isinstance(author, dict) else None
    return name if isinstance(name, str) else ""


def _read_id(value: Any) -> int | None:
    if not isinstance(value, str) or not (value.isascii() and value.isdigit()) or len(value) > 19:
        return None
    return int(value) if 0 < int(value) <= MAX_ID else None


def _read_time(value: Any) -> datetime | None:
    try:
        return datetime.fromisoformat(value).astimezone(UTC) if isinstance(value, str) else None
    except (ValueError, OverflowError):
        return None


def _describe_media(row: dict[str, Any]) -> str | None:
    for key, name_key in (("attachments", "fileName"), ("stickers", "name")):
        items = row.get(key)
        if isinstance(items, list) and items and isinstance(items[0], dict):
            name = items[0].get(name_key)
            shown = name if isinstance(name, str) else None
            return write_placeholder(Kind.STICKER, shown) if key == "stickers" else write_file(shown)
    return write_placeholder(Kind.EMBED) if row.get("embeds") and not row.get("content") else None
