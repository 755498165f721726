"""One page of Telegram Desktop's HTML export, parsed piece by piece.

Source: Telegram Desktop 6.1.2, export/output/export_output_html.cpp, for classes and their nesting.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterator
from dataclasses import dataclass
from html.parser import HTMLParser

from userbot.domain.placeholders import Kind, write_file, write_placeholder, write_sticker
from userbot.importers.reading.items import Truncated
from userbot.importers.reading.source import MeteredFile

_LAYOUT = re.compile(r"^[ \t]*\r?\n\s*|\s*\n[ \t]*$")
_CHUNK_BYTES = 64 << 10
_GO_TO = re.compile(r"go_to_message(-?\d{1,18})$")
_ROW_ID = re.compile(r"message(-?\d{1,18})$")
_DURATION = re.compile(r"\b0?(\d+:\d{2}(?::\d{2})?)\b")
_VOID = frozenset({"br", "img", "meta", "link", "hr", "input", "source"})
_MEDIA = {
    "media_photo": Kind.PHOTO,
    "media_voice_message": Kind.VOICE,
    "media_video": Kind.VIDEO,
    "media_audio_file": Kind.AUDIO,
    "media_file": Kind.FILE,
    "media_contact": Kind.CONTACT,
    "media_location": Kind.LOCATION,
    "media_live_location": Kind.LIVE_LOCATION,
    "media_venue": Kind.LOCATION,
    "media_poll": Kind.POLL,
    "media_game": Kind.GAME,
    "media_invoice": Kind.INVOICE,
    "media_call": Kind.CALL,
    "photo_wrap": Kind.PHOTO,
    "sticker_wrap": Kind.STICKER,
    "video_file_wrap": Kind.VIDEO,
    "animated_wrap": Kind.GIF,
}
_TITLES = {
    "Sticker": Kind.STICKER,
    "Video message": Kind.VIDEO_MESSAGE,
    "Animation": Kind.GIF,
    "GIF": Kind.GIF,
}


@dataclass(slots=True)
class HtmlRow:
    """One message or service row of a page, as far as it was read.

    Args:
        id: Telegram's message id; None if the row has none.
        is_service: Whether it is a service row.
        joined: Whether it continues the sender of the row before, and names none.
        sender: Shown name.
        time: As in the page, `31.12.2025 21:41:07 UTC+03:00`.
        text: What was written, with line breaks.
        forwarded: Whether somebody else's words are quoted.
        via_bot: Whether an inline bot wrote it.
        reply_to_id: Message that it answers.
        kind: What is attached, by the element's class.
        title: First line of the attachment's box.
        status: Second line of the attachment's box: size, duration, a sticker's emoji.
        question: A poll's question.
    """

    id: int | None
    is_service: bool
    joined: bool
    sender: str = ""
    time: str = ""
    text: str = ""
    forwarded: bool = False
    via_bot: bool = False
    reply_to_id: int | None = None
    kind: Kind | None = None
    title: str = ""
    status: str = ""
    question: str = ""

    @property
    def media(self) -> str | None:
        """Placeholder of the attachment; None without one."""
        if self.kind is None:
            return None
        title = self.title.strip()
        kind = _TITLES.get(title, self.kind)
        if kind is Kind.STICKER:
            emoji = self.status.split(",")[0].strip()
            return write_sticker(None if emoji.isascii() else emoji)
        if kind in (Kind.VOICE, Kind.VIDEO, Kind.VIDEO_MESSAGE):
            duration = _DURATION.search(self.status)
            return write_placeholder(kind, duration[1] if duration else None)
        if kind is Kind.FILE:
            return write_file(None if title == "File" else title)
        return write_placeholder(kind, self.question if kind is Kind.POLL else None)


@dataclass(frozen=True, slots=True)
class PageLink:
    """A link to the page before or after this one."""

    name: str


def parse_page(stream: MeteredFile) -> Iterator[HtmlRow | PageLink | Truncated | str]:
    """Read one page.

    Args:
        stream: The page, open for reading.

    Yields:
        The chat's title, its rows without date bars, and links to other pages; `Truncated` last if the page ends early.
        The row in which it ends is left out: another export brings it whole.
    """
    page = _Page()
    decoder = codecs.getincrementaldecoder("utf-8-sig")("replace")
    while piece := stream.read(_CHUNK_BYTES):
        page.feed(decoder.decode(piece))
        yield from page.take()
    page.close()
    if page.is_whole:
        page.finish()
    yield from page.take()
    if not page.is_whole:
        yield Truncated(stream.position)


class _Page(HTMLParser):
    """Keep the classes of the open elements, and the row that is being read."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self._open: list[tuple[str, frozenset[str]]] = []
        self._row: HtmlRow | None = None
        self._row_depth = 0
        self._title = ""
        self._items: list[HtmlRow | PageLink | str] = []
        self._data = ""
        self.is_whole = False

    def take(self) -> list[HtmlRow | PageLink | str]:
        """Return what is complete since the last call."""
        items, self._items = self._items, []
        return items

    def finish(self) -> None:
        """Complete the last row."""
        if self._row is not None:
            self._items.append(self._row)
            self._row = None

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note an element that opens, and what it tells about its row."""
        self._place_data()
        values = {key: value or "" for key, value in attrs}
        if tag in _VOID:
            if tag == "br" and self._row is not None and self._in("text"):
                self._row.text += "\n"
            return
        classes = frozenset(values.get("class", "").split())
        self._open.append((tag, classes))
        if tag == "div" and "message" in classes:
            self._begin(values.get("id", ""), classes)
        elif "pagination" in classes:
            self._items.append(PageLink(values.get("href", "")))
        elif self._row is not None:
            self._look(self._row, classes, values)

    def handle_endtag(self, tag: str) -> None:
        """Close an element, and those inside it that were left open."""
        self._place_data()
        self.is_whole |= tag == "html"
        depth = len(self._open)
        while depth and self._open[depth - 1][0] != tag:
            depth -= 1
        if not depth:
            return
        if (
            "page_header" in {name for _, classes in self._open[depth - 1 :] for name in classes}
            and self._title.strip()
        ):
            self._items.append(self._title.strip())
        del self._open[depth - 1 :]
        if self._row is not None and len(self._open) < self._row_depth:
            self.finish()

    def handle_data(self, data: str) -> None:
        """Keep text until the next tag: where a piece of the page ends within a text, the text arrives in two parts."""
        self._data += data

    def _place_data(self) -> None:
        """Add the text before a tag to the field that the open elements tell."""
        data, self._data = self._data, ""
        if not data:
            return
        if self._row is None:
            if self._in("page_header") and self._in("text"):
                self._title += data
        elif self._in("from_name"):
            if not self._in("forwarded") and not self._in("reply_to"):
                self._row.sender = f"{self._row.sender} {' '.join(data.split())}".strip()
        elif self._in("text"):
            # A line break here is the page's own layout, as the text's are <br>; every other blank was written.
            self._row.text += _LAYOUT.sub("", data)
        elif self._in("question"):
            self._row.question += data
        elif self._in("media") and self._in("title"):
            self._row.title += data
        elif self._in("media") and self._in("status"):
            self._row.status += data

    def _begin(self, row_id: str, classes: frozenset[str]) -> None:
        self.finish()
        number = _ROW_ID.match(row_id)
        # Date bars have ids below zero; a true service row has a positive one, or that of a basic group.
        if "service" in classes and (number is None or number[1].startswith("-")):
            return
        self._row = HtmlRow(int(number[1]) if number else None, "service" in classes, "joined" in classes)
        self._row_depth = len(self._open)

    def _look(self, row: HtmlRow, classes: frozenset[str], values: dict[str, str]) -> None:
        if "date" in classes and "pull_right" in classes:
            row.time = values.get("title", "")
        elif "forwarded" in classes:
            row.forwarded = True
        elif self._in("reply_to"):
            target = _GO_TO.search(
                values.get("href", "") or values.get("onclick", "").removeprefix("return ").strip("()")
            )
            row.reply_to_id = int(target[1]) if target else row.reply_to_id
        for name in classes & _MEDIA.keys():
            row.kind = _MEDIA[name]

    def _in(self, name: str) -> bool:
        return any(name in classes for _, classes in self._open[self._row_depth - 1 if self._row else 0 :])
