"""WhatsApp's text export, Android and iOS, plain or zipped.

The phone's language decides how date and time are written, so the order of day and month is read off all dates of the
file, and the zone is this computer's. The file is named after the contact, so the other sender is the owner.
"""

from __future__ import annotations

import io
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, timedelta

from userbot.domain.derived_ids import derive_chat_id
from userbot.domain.errors import ExportFormatError
from userbot.domain.messages import Chat, ChatKind, Message, Origin
from userbot.importers.reading.items import Hints, Item, Notice, Owner, Truncated, gather
from userbot.importers.reading.names import MessageIds, choose_by_name
from userbot.importers.reading.order import FileOrder
from userbot.importers.reading.source import Source
from userbot.importers.whatsapp_lines import DateOrder, Stamp, choose_order, match_line
from userbot.importers.whatsapp_media import describe_attachment, is_deleted_mark, is_notice

_INVISIBLE = dict.fromkeys(map(ord, "\u2066\u2067\u2068\u2069"))
"""Marks around a mentioned name."""

MINUTE, SECOND = timedelta(minutes=1), timedelta(seconds=1)
# A system line may quote a name with a colon; no sender has quotation marks.
_SENDER = re.compile(r"^[\u200e\u200f]*(?:~[\s\u00a0\u202f]*)?(?P<name>[^:\"“”«»]{1,80}): ?(?P<text>.*)$", re.DOTALL)
_TITLE = re.compile(
    r"^(?:WhatsApp[ -]Chat|Chat de WhatsApp|Чат WhatsApp|Conversa do WhatsApp|Chat WhatsApp|"
    r"Discussion WhatsApp|WhatsApp-chat)(?: (?:with|mit|con|com|avec|met)| с контактом| с| -)? (?P<name>.+)$"
)
_COPY = re.compile(r" ?\(\d{1,3}\)$")
_EDITED = re.compile(
    r"[\s\u200e]*<[^<>]*(?:edited|изменено|bearbeitet|editad|editó|modifi|düzenlendi|bewerkt|diedit|disunting|נערכה|"
    r"تعديل|edytowan|upraven|szerkeszt|redigera|redigert|redigeret|muokattu|επεξεργ|відредагован|已编辑|已編輯|編集|수정|"
    r"chỉnh sửa|แก้ไข|संपादित)[^<>]*>$",
    re.IGNORECASE,
)


@dataclass(slots=True)
class _Line:
    """One bubble or system line.

    Args:
        stamp: Date and time.
        text: What follows the time, and the lines that continue it.
        is_open: Whether the file ends within it, without a line break.
    """

    stamp: Stamp
    text: str
    is_open: bool = False

    @property
    def is_truncated(self) -> bool:
        """Tell whether the file ends within a character, which no export does."""
        return self.is_open and self.text.endswith("\ufffd")


@dataclass(slots=True)
class _Survey:
    senders: Counter[str] = field(default_factory=Counter)
    stamps: list[Stamp] = field(default_factory=list)


def read_whatsapp(source: Source, hints: Hints) -> Iterator[Item]:
    """Yield what the text files of an export hold, one chat per file.

    Raises:
        ExportFormatError: No line begins with a time.
        OwnerUnknownError: Neither the file's name nor a hint tells who the owner is.
    """
    parts = [part for part in source.parts(".txt") or source.parts() if not part.startswith("__MACOSX")]
    source.expect(parts, passes=2)
    for part in parts:
        yield from _read_chat(source, part, hints, alone=len(parts) == 1)


def _read_chat(source: Source, part: str, hints: Hints, *, alone: bool) -> Iterator[Item]:
    survey = _take_survey(source, part)
    where = source.where(part)
    if not survey.stamps and not alone:
        return
    if not survey.stamps:
        raise ExportFormatError(
            f"{where} is not a WhatsApp chat: expected lines such as `31.12.2025, 21:41 - Anna: text`. "
            f"Export the chat again with WhatsApp's own menu."
        )
    contact = _title(source, part)
    owner = None
    if set(survey.senders) != {contact} or hints.me is not None:
        owner = choose_by_name(survey.senders, hints, where=where, contact=contact)
    others = [name for name in survey.senders if name != owner]
    is_group = len(others) > 1
    title = others[0] if len(others) == 1 else contact
    chat = Chat(
        id=derive_chat_id("whatsapp", title),
        kind=ChatKind.GROUP if is_group else ChatKind.PRIVATE,
        title=title,
        source="whatsapp",
    )
    yield Owner(None, owner)
    yield chat
    order = choose_order(survey.stamps, given=hints.date_order)
    if order.guessed is not None:
        shown = "/".join(map(str, order.guessed))
        yield Notice(
            f"{where}: dates such as {shown} were read with the day first, and nothing in the file tells for sure. "
            f"Say --dates day-first or --dates month-first; with --dry-run you see the days before anything is stored."
        )
    yield from gather(_convert(source, part, chat, owner, order))


def _take_survey(source: Source, part: str) -> _Survey:
    survey = _Survey()
    for line in _read_lines(source, part):
        stamp, last = line.stamp, survey.stamps[-1] if survey.stamps else None
        if last is None or (last.style, last.numbers) != (stamp.style, stamp.numbers):
            survey.stamps.append(stamp)
        said = _split(line)
        if said is not None:
            survey.senders[said[0]] += 1
    return survey


def _convert(
    source: Source, part: str, chat: Chat, owner: str | None, order: DateOrder
) -> Iterator[Message | str | Notice | Truncated]:
    ids, clock = MessageIds(), FileOrder()
    for line in _read_lines(source, part):
        if line.is_truncated:
            yield Truncated(source.size(part), part)
            continue
        if line.is_open:
            yield Notice(
                f"{part} ends without a line break, as a file does that was cut short: its last message may be "
                f"incomplete, and later ones missing. Compare it with the chat; export again if it is."
            )
        said = _split(line)
        at = order.read(line.stamp)
        if said is None or at is None:
            yield "system line" if said is None else "row without a time"
            continue
        sender, raw = said
        media, text = describe_attachment(raw)
        text = _EDITED.sub("", text).translate(_INVISIBLE).strip()
        if media is None and is_notice(text):
            yield "notice of the app"
            continue
        if not (media or text) or is_deleted_mark(text):
            yield "deleted message" if text else "empty message"
            continue
        yield Message(
            chat_id=chat.id,
            id=ids.derive(at.isoformat(), sender, raw),
            origin=Origin.OWNER if sender == owner else Origin.CONTACT,
            sent_at=clock.place(at.astimezone(UTC), unit=MINUTE if line.stamp.second is None else SECOND),
            text=text,
            media=media,
            sender_name=sender if chat.kind is ChatKind.GROUP else None,
        )


def _read_lines(source: Source, part: str) -> Iterator[_Line]:
    line: _Line | None = None
    piece = "\n"
    with io.BufferedReader(source.open(part)) as raw:
        text = io.TextIOWrapper(raw, encoding="utf-8-sig", errors="replace", newline="\n")
        for piece in text:
            bare = piece.rstrip("\r\n")
            stamp = match_line(bare)
            if stamp is not None:
                if line is not None:
                    yield line
                line = _Line(stamp, stamp.rest)
            elif line is not None:
                line.text += f"\n{bare}"
    if line is not None:
        line.is_open = not piece.endswith("\n")
        yield line


def _split(line: _Line) -> tuple[str, str] | None:
    """Split a line into sender and text; None for a system line."""
    match = _SENDER.match(line.text)
    if match is None:
        return None
    text = match["text"].rstrip()
    # iOS writes its own notices as if the chat had said them; a mark in front tells them apart.
    # A mention and a call carry the mark too.
    bare = text.lstrip("\u200e")
    said = bare.startswith("@") or is_notice(bare) or _EDITED.search(text) or describe_attachment(text)[0] is not None
    if text.startswith("\u200e") and not said:
        return None
    return match["name"].strip(), text


def _title(source: Source, part: str) -> str:
    name = part.rsplit("/", 1)[-1].rsplit(".", 1)[0].replace("\u200e", "")
    if name in ("_chat", "chat"):
        name = source.name.replace("\u200e", "")
    name = _COPY.sub("", name)
    match = _TITLE.match(name)
    return (match["name"] if match else name).strip()
