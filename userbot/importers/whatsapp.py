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
from datetime import UTC, date, datetime, time, timedelta
from itertools import pairwise

from userbot.domain.errors import ExportFormatError
from userbot.domain.messages import Chat, ChatKind, Message, Origin
from userbot.importers.reading.items import Hints, Item, Notice, Owner, Truncated, gather
from userbot.importers.reading.names import MessageIds, choose_by_name, derive_chat_id
from userbot.importers.reading.order import FileOrder
from userbot.importers.reading.source import Source
from userbot.importers.whatsapp_media import describe_attachment, is_deleted_mark

MINUTE, SECOND = timedelta(minutes=1), timedelta(seconds=1)
_HALF = r"(?P<half>[ap]\.?[\s\u00a0\u202f]?m\.?|[ap]|午前|午後|上午|下午|오전|오후|ص|م)"
LINE = re.compile(
    r"^[\u200e\u200f\ufeff]*(?P<open>\[)?"
    r"(?P<a>\d{1,4})(?P<sep>[./\-])[\u200f]?(?P<b>\d{1,2})[./\-][\u200f]?(?P<c>\d{2,4})\.?,?"
    r"(?:[\s\u00a0\u202f]+[^\W\d]{1,5})?[\s\u00a0\u202f]+"
    r"(?P<hour>\d{1,2})[:.](?P<minute>\d{2})(?:[:.](?P<second>\d{2}))?"
    rf"(?:[\s\u00a0\u202f]*{_HALF})?"
    r"(?(open)\][\s\u00a0]|[\s\u00a0\u202f][-–][\s\u00a0])(?P<rest>.*)$",
    re.IGNORECASE,
)
# A system line may quote a name with a colon; no sender has quotation marks.
_SENDER = re.compile(r"^[\u200e\u200f]*(?:~[\s\u00a0\u202f]*)?(?P<name>[^:\"“”«»]{1,80}): ?(?P<text>.*)$", re.DOTALL)
_TITLE = re.compile(
    r"^(?:WhatsApp[ -]Chat|Chat de WhatsApp|Чат WhatsApp|Conversa do WhatsApp|Chat WhatsApp|"
    r"Discussion WhatsApp|WhatsApp-chat)(?: (?:with|mit|con|com|avec|met)| с контактом| с| -)? (?P<name>.+)$"
)
_COPY = re.compile(r" ?\(\d{1,3}\)$")
_EDITED = re.compile(r"[\s\u200e]*<[^<>]*(?:edited|изменено|bearbeitet|editad|modifi|editó)[^<>]*>$", re.IGNORECASE)


@dataclass(slots=True)
class _Line:
    """One bubble or system line.

    Args:
        match: The match of `LINE`: date and time.
        text: What follows the time, and the lines that continue it.
        is_open: Whether the file ends within it, without a line break.
    """

    match: re.Match[str]
    text: str
    is_open: bool = False

    @property
    def is_truncated(self) -> bool:
        """Tell whether the file ends within a character, which no export does."""
        return self.is_open and self.text.endswith("\ufffd")


@dataclass(slots=True)
class _Survey:
    senders: Counter[str] = field(default_factory=Counter)
    dates: list[tuple[int, int, int]] = field(default_factory=list)
    dotted: bool = False
    halves: bool = False


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
    if not survey.dates and not alone:
        return
    if not survey.dates:
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
    yield from gather(_convert(source, part, chat, owner, _choose_order(survey)))


def _take_survey(source: Source, part: str) -> _Survey:
    survey = _Survey()
    for line in _read_lines(source, part):
        day = _numbers(line.match)
        if not survey.dates or survey.dates[-1] != day:
            survey.dates.append(day)
        survey.dotted |= line.match["sep"] == "."
        survey.halves |= line.match["half"] is not None
        said = _split(line)
        if said is not None:
            survey.senders[said[0]] += 1
    return survey


def _convert(
    source: Source, part: str, chat: Chat, owner: str | None, order: str
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
        at = _read_time(line.match, order)
        if said is None or at is None:
            yield "system line" if said is None else "row without a time"
            continue
        sender, raw = said
        media, text = describe_attachment(raw)
        text = _EDITED.sub("", text).strip()
        if not (media or text) or is_deleted_mark(text):
            yield "deleted message" if text else "empty message"
            continue
        yield Message(
            chat_id=chat.id,
            id=ids.derive(at.isoformat(), sender, raw),
            origin=Origin.OWNER if sender == owner else Origin.CONTACT,
            sent_at=clock.place(at.astimezone(UTC), unit=SECOND if line.match["second"] else MINUTE),
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
            match = LINE.match(bare)
            if match is not None:
                if line is not None:
                    yield line
                line = _Line(match, match["rest"])
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
    if text.startswith("\u200e") and describe_attachment(text)[0] is None and not _EDITED.search(text):
        return None
    return match["name"].strip(), text


def _title(source: Source, part: str) -> str:
    name = part.rsplit("/", 1)[-1].rsplit(".", 1)[0].replace("\u200e", "")
    if name in ("_chat", "chat"):
        name = source.name.replace("\u200e", "")
    name = _COPY.sub("", name)
    match = _TITLE.match(name)
    return (match["name"] if match else name).strip()


def _numbers(match: re.Match[str]) -> tuple[int, int, int]:
    return int(match["a"]), int(match["b"]), int(match["c"])


def _choose_order(survey: _Survey) -> str:
    """Return the order of day, month and year that all dates of a file allow and that least runs backwards."""
    orders = ["ymd"] if survey.dates[0][0] > 31 else ["dmy", "mdy"]
    if survey.halves and not survey.dotted:
        orders.reverse()

    def faults(order: str) -> int:
        days = [_day(numbers, order) for numbers in survey.dates]
        late = sum(later < earlier for earlier, later in pairwise(day for day in days if day is not None))
        return late + 1000 * days.count(None)

    return min(orders, key=faults)


def _day(numbers: tuple[int, int, int], order: str) -> date | None:
    parts = dict(zip(order, numbers, strict=True))
    year = parts["y"] + 2000 if parts["y"] < 100 else parts["y"]
    try:
        return date(year, parts["m"], parts["d"])
    except ValueError:
        return None


def _read_time(match: re.Match[str], order: str) -> datetime | None:
    day = _day(_numbers(match), order)
    hour = int(match["hour"])
    half = (match["half"] or "").casefold()
    if half:
        hour = hour % 12 + (12 if half[0] in "p下午後오후م" and half not in ("上午", "午前", "오전") else 0)
    if day is None:
        return None
    try:
        # The local time of the phone, whose zone is not in the file.
        return datetime.combine(day, time(hour, int(match["minute"]), int(match["second"] or 0)))
    except ValueError:
        return None
