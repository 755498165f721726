"""Telegram Desktop's HTML export: a chat's folder with messages.html, messages2.html and so on, or a whole account.

It has names but no ids of people, so its chats stand apart from those of a JSON export of the same account.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import groupby

from userbot.domain.derived_ids import HTML_SOURCE, derive_chat_id
from userbot.domain.errors import ExportFormatError
from userbot.domain.messages import Chat, ChatKind, Message, Origin
from userbot.importers.reading.items import Hints, Item, Notice, Owner, Truncated, gather
from userbot.importers.reading.names import choose_by_name
from userbot.importers.reading.source import Source
from userbot.importers.telegram.messages import DELETED
from userbot.importers.telegram.page import HtmlRow, PageLink, parse_page

SOURCE = HTML_SOURCE

_PAGE = re.compile(r"(?P<folder>.*/)?messages(?P<number>\d*)\.html$")
_ZONE = re.compile(r" UTC([+-]\d{2}:\d{2})$")
_VIA = re.compile(r"\s+via @\w+\s*$")


@dataclass(slots=True)
class _Pages:
    """One chat with its pages in order."""

    parts: list[str]
    title: str = ""
    senders: Counter[str] = field(default_factory=Counter)
    links: set[str] = field(default_factory=set)
    truncated: Truncated | None = None

    @property
    def missing(self) -> list[str]:
        """Pages that other pages link to and that are missing."""
        return sorted(self.links - {part.rsplit("/", 1)[-1] for part in self.parts})


def is_page(part: str) -> bool:
    """Tell whether a part is named like a page of messages."""
    return _PAGE.match(part) is not None


def read_html(source: Source, hints: Hints) -> Iterator[Item]:
    """Yield what the pages hold.

    Raises:
        ExportFormatError: There is no page of messages.
        OwnerUnknownError: Neither several chats nor a hint tells who the owner is.
    """
    chats = _find_chats(source)
    source.expect([part for chat in chats for part in chat.parts], passes=2)
    for chat in chats:
        for row in _read_rows(source, chat):
            if row.sender:
                chat.senders[row.sender] += 1
    chats = [chat for chat in chats if chat.senders]
    if not chats:
        raise ExportFormatError(
            f"{source.path} holds no messages: expected pages such as messages.html made by Telegram Desktop. "
            f"Give the export's folder, or export again in the format JSON."
        )
    owner = _find_owner(source, chats, hints)
    yield Owner(None, owner)
    for chat in chats:
        yield from _read_chat(source, chat, owner)


def _find_chats(source: Source) -> list[_Pages]:
    pages = [match for part in source.parts(".html") if (match := _PAGE.match(part))]
    if not pages and not source.is_folder:
        return [_Pages(source.parts())]
    pages.sort(key=lambda page: (page["folder"] or "", int(page["number"] or 1)))
    chats = [_Pages([page.string for page in group]) for _, group in groupby(pages, lambda page: page["folder"])]
    alone = [chat for chat in chats if "/" not in chat.parts[0]]
    return alone or chats


def _read_rows(source: Source, chat: _Pages) -> Iterator[HtmlRow]:
    """Yield rows with their senders: a row that follows another of the same sender, even on a new page, names none."""
    sender = ""
    for part in chat.parts:
        with source.open(part) as stream:
            for item in parse_page(stream):
                if isinstance(item, str):
                    chat.title = chat.title or item
                    continue
                if isinstance(item, PageLink):
                    chat.links.add(item.name)
                    continue
                if isinstance(item, Truncated):
                    chat.truncated = Truncated(item.byte, part)
                    continue
                if item.joined and not item.sender:
                    item.sender = sender
                elif not item.is_service:
                    item.via_bot = _VIA.search(item.sender) is not None
                    item.sender = _VIA.sub("", item.sender)
                    sender = item.sender
                yield item


def _find_owner(source: Source, chats: list[_Pages], hints: Hints) -> str:
    senders: Counter[str] = Counter()
    presence: Counter[str] = Counter()
    for chat in chats:
        senders.update(chat.senders)
        presence.update(set(chat.senders) - {DELETED, "Deleted Account"})
    ranked = presence.most_common(2)
    usual = ranked[0][0] if len(ranked) > 1 and ranked[0][1] > ranked[1][1] else None
    return choose_by_name(senders, hints, where=str(source.path), usual=usual)


def _read_chat(source: Source, pages: _Pages, owner: str) -> Iterator[Item]:
    others = set(pages.senders) - {owner}
    kind = ChatKind.GROUP if len(others) > 1 else ChatKind.PRIVATE
    if pages.title == "Saved Messages":
        kind = ChatKind.SAVED
    title = pages.title or next(iter(others), owner)
    # Two people may share a first name, and a private chat's title tells no more.
    key = next(iter(others)) if len(others) == 1 else title
    chat = Chat(id=derive_chat_id(SOURCE, key), kind=kind, title=title, source=SOURCE)
    yield chat
    yield from gather(_convert(row, chat, owner) for row in _read_rows(source, pages))
    if pages.truncated is not None:
        yield pages.truncated
    if pages.missing:
        yield Notice(
            f"{title}: {', '.join(pages.missing)} is not there, so its messages are missing. Put the page beside the "
            f"others, or export again."
        )


def _convert(row: HtmlRow, chat: Chat, owner: str) -> Message | str:
    if row.is_service:
        return "service message"
    sent_at = _read_time(row.time)
    if row.id is None or sent_at is None:
        return "row without an id" if row.id is None else "row without a time"
    text = row.text.strip()
    if not text and row.media is None:
        return "empty message"
    return Message(
        chat_id=chat.id,
        id=row.id,
        origin=Origin.OWNER if row.sender == owner else Origin.CONTACT,
        sent_at=sent_at,
        text=text,
        media=row.media,
        sender_name=row.sender or DELETED if chat.kind is ChatKind.GROUP else None,
        reply_to_id=row.reply_to_id,
        forwarded=row.forwarded,
        via_bot=row.via_bot,
    )


def _read_time(title: str) -> datetime | None:
    """Read `31.12.2025 21:41:07 UTC+03:00`; pages made before 2021 lack the zone, and this computer's is assumed."""
    zone = _ZONE.search(title)
    bare = title[: zone.start()] if zone else title
    try:
        if zone:
            return datetime.strptime(bare + zone[1], "%d.%m.%Y %H:%M:%S%z").astimezone(UTC)
        return datetime.strptime(bare, "%d.%m.%Y %H:%M:%S").astimezone(UTC)
    except (ValueError, OverflowError):
        return None
