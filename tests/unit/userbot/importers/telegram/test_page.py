"""One HTML page, parsed piece by piece."""

from __future__ import annotations

from io import BytesIO

import pytest

from userbot.importers.reading.items import Truncated
from userbot.importers.reading.source import MeteredFile
from userbot.importers.telegram import page
from userbot.importers.telegram.page import HtmlRow, PageLink, parse_page

PAGE = """<html><body><div class="page_header"><div class="text bold">
Pavel
</div></div>
<a class="pagination" href="messages2.html">Next</a>
<div class="message service" id="message-1"><div class="body details">1 January 2026</div></div>
<div class="message default" id="message7"><div class="body">
<div class="pull_right date details" title="01.01.2026 10:00:00 UTC+01:00">10:00</div>
<div class="from_name">
Olga  Test
</div>
<div class="reply_to">In reply to <a href="#go_to_message5">this</a></div>
<div class="text">one<br>two &amp; three</div></div></div>
<div class="message default joined" id="message8"><div class="body"><div class="forwarded body">
<div class="from_name">Zed</div><div class="text">theirs</div></div></div></div>
<div class="message service" id="message9"><div class="body details">Olga pinned a message</div></div>
</body></html>"""


def parse(text: str) -> list[HtmlRow | PageLink | Truncated | str]:
    return list(parse_page(MeteredFile(BytesIO(text.encode()), "messages.html", lambda _size: None)))


@pytest.mark.parametrize("chunk_bytes", [1, 7, 1 << 16])
def test_rows_links_and_the_title_are_read_in_pieces_of_any_size(
    monkeypatch: pytest.MonkeyPatch, chunk_bytes: int
) -> None:
    monkeypatch.setattr(page, "_CHUNK_BYTES", chunk_bytes)
    title, link, first, second, service = parse(PAGE)
    assert (title, link) == ("Pavel", PageLink("messages2.html"))
    assert isinstance(first, HtmlRow)
    assert isinstance(second, HtmlRow)
    assert isinstance(service, HtmlRow)
    assert (first.id, first.sender, first.text, first.reply_to_id) == (7, "Olga Test", "one\ntwo & three", 5)
    assert first.time == "01.01.2026 10:00:00 UTC+01:00"
    assert (second.id, second.joined, second.forwarded, second.sender, second.text) == (8, True, True, "", "theirs")
    assert (service.id, service.is_service) == (9, True)


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("<strong>Good</strong> <em>morning</em> <a href=''>Tom</a>", "Good morning Tom"),
        ("<a href=''>#one</a> <a href=''>#two</a><br><br>&nbsp;<br>end", "#one #two\n\n\xa0\nend"),
        ("a <b>b</b>, c", "a b, c"),
        ("a<i>b</i>c", "abc"),
        ("one<br> two", "one\n two"),
    ],
)
@pytest.mark.parametrize("chunk_bytes", [1, 5, 1 << 16])
def test_blanks_between_links_and_styles_are_kept(
    monkeypatch: pytest.MonkeyPatch, written: str, read: str, chunk_bytes: int
) -> None:
    monkeypatch.setattr(page, "_CHUNK_BYTES", chunk_bytes)
    body = f'<div class="text">\n{written}\n       </div>'
    [row] = parse(f'<html><div class="message default" id="message1">{body}</div></html>')
    assert isinstance(row, HtmlRow)
    assert row.text == read


def test_a_page_that_ends_early_leaves_its_last_row_out() -> None:
    raw = PAGE[: PAGE.index("theirs")]
    *_, first, end = parse(raw)
    assert isinstance(first, HtmlRow)
    assert (first.id, end) == (7, Truncated(len(raw)))


@pytest.mark.parametrize(
    ("fields", "media"),
    [
        ({}, None),
        ({"kind": page._MEDIA["sticker_wrap"], "status": "😀, 10 KB"}, "😀"),
        ({"kind": page._MEDIA["media_voice_message"], "status": "00:07, 3 KB"}, "[voice 0:07]"),
        ({"kind": page._MEDIA["media_photo"], "title": "Sticker", "status": ""}, "[sticker]"),
        ({"kind": page._MEDIA["media_file"], "title": "plan.pdf"}, "[file plan.pdf]"),
    ],
)
def test_an_attachment_is_described_by_its_box(fields: dict[str, str], media: str | None) -> None:
    assert HtmlRow(1, is_service=False, joined=False, **fields).media == media  # type: ignore[arg-type]
