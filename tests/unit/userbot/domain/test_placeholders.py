"""Placeholders: every kind as every writer writes it, and what the guard makes of each as an answer."""

from __future__ import annotations

import ast
import json
from collections.abc import Iterator
from datetime import UTC, datetime
from io import BytesIO
from pathlib import Path
from typing import Any

import msgspec
import pytest
from telethon.tl import types

from userbot.domain.messages import Chat, ChatKind, Message, Reply
from userbot.domain.placeholders import (
    DETAIL_CHARS,
    Kind,
    Masked,
    find_masked,
    find_placeholder,
    write_file,
    write_masked,
    write_placeholder,
    write_timed,
)
from userbot.importers.discord import read_discord
from userbot.importers.meta_rows import convert_row
from userbot.importers.reading.items import Hints
from userbot.importers.reading.names import MessageIds
from userbot.importers.reading.source import MeteredFile, Source
from userbot.importers.telegram.media import describe_media as describe_exported
from userbot.importers.telegram.page import HtmlRow, parse_page
from userbot.importers.telegram.rows import Row
from userbot.importers.whatsapp_media import describe_attachment
from userbot.reply.guard import Draft, inspect
from userbot.telegram.convert import describe_media as describe_live

AT = datetime(2026, 1, 5, 12, 0, tzinfo=UTC)
NOWHERE = types.GeoPointEmpty()
PACKAGE = Path(__file__).parents[4] / "userbot"
REFUSAL = "a placeholder of media instead of words"


def _document(*attributes: Any, **flags: Any) -> Any:
    file = types.Document(1, 2, b"", AT, "application/octet-stream", 10, 2, list(attributes))
    return types.MessageMediaDocument(document=file, **flags)


def _words(text: str) -> Any:
    return types.TextWithEntities(text, [])


LIVE: tuple[tuple[Any, str], ...] = (
    (types.MessageMediaPhoto(), "[photo]"),
    (types.MessageMediaGeo(NOWHERE), "[location]"),
    (types.MessageMediaVenue(NOWHERE, "Café", "", "", "", ""), "[location Café]"),
    (types.MessageMediaGeoLive(NOWHERE, 60), "[live location]"),
    (types.MessageMediaContact("+1", "A", "B", "", 1), "[contact]"),
    (types.MessageMediaInvoice("a", "b", "EUR", 1, ""), "[invoice]"),
    (types.MessageMediaPaidMedia(1, []), "[paid media]"),
    (types.MessageMediaGiveaway([], 1, AT), "[giveaway]"),
    (types.MessageMediaGiveawayResults(1, 1, 1, 1, [], AT), "[giveaway]"),
    (types.MessageMediaStory(types.PeerUser(1), 1), "[story]"),
    (types.MessageMediaGame(types.Game(1, 1, "chess", "Chess", "", types.PhotoEmpty(1))), "[game Chess]"),
    (types.MessageMediaPoll(types.Poll(1, _words("Pizza?"), [], 0), types.PollResults()), "[poll: Pizza?]"),
    (types.MessageMediaToDo(types.TodoList(_words("milk"), [])), "[to-do: milk]"),
    (types.MessageMediaUnsupported(), "[attachment]"),
    (_document(), "[file]"),
    (_document(types.DocumentAttributeFilename("a\n [1].pdf")), "[file a [1].pdf]"),
    (_document(types.DocumentAttributeFilename("a" * 200)), f"[file {'a' * 79}…]"),
    (_document(types.DocumentAttributeSticker("", types.InputStickerSetEmpty())), "[sticker]"),
    (_document(types.DocumentAttributeAudio(7, voice=True)), "[voice 0:07]"),
    (_document(voice=True), "[voice]"),
    (_document(types.DocumentAttributeAudio(200, title="Aria", performer="Bach")), "[audio Bach – Aria]"),
    (_document(types.DocumentAttributeAudio(200)), "[audio 3:20]"),
    (_document(types.DocumentAttributeVideo(12.4, 1, 1, round_message=True)), "[video message 0:12]"),
    (_document(types.DocumentAttributeVideo(65.0, 1, 1)), "[video 1:05]"),
    (_document(types.DocumentAttributeAnimated()), "[gif]"),
)
TELEGRAM_JSON: tuple[tuple[dict[str, Any], str], ...] = (
    ({"photo": "a.jpg"}, "[photo]"),
    ({"media_type": "sticker"}, "[sticker]"),
    ({"media_type": "voice_message", "duration_seconds": 7}, "[voice 0:07]"),
    ({"media_type": "video_message", "duration_seconds": 12}, "[video message 0:12]"),
    ({"media_type": "video_file", "duration_seconds": 65}, "[video 1:05]"),
    ({"media_type": "animation"}, "[gif]"),
    ({"media_type": "audio_file", "performer": "Bach"}, "[audio Bach]"),
    ({"media_type": "hologram", "file_name": "x.bin"}, "[file x.bin]"),
    ({"file": "files/plan.pdf"}, "[file plan.pdf]"),
    ({"contact_information": {}}, "[contact]"),
    ({"location_information": {}}, "[location]"),
    ({"location_information": {}, "live_location_period_seconds": 900}, "[live location]"),
    ({"place_name": "Kino"}, "[location Kino]"),
    ({"poll": {"question": "Who?"}}, "[poll: Who?]"),
    ({"poll": "odd"}, "[poll]"),
    ({"todo_list": {"title": "milk"}}, "[to-do: milk]"),
    ({"todo_list": {}}, "[to-do]"),
    ({"game_title": "Chess"}, "[game Chess]"),
    ({"invoice_information": {}}, "[invoice]"),
    ({"giveaway_information": {}}, "[giveaway]"),
    ({"giveaway_results": {}}, "[giveaway]"),
    ({"paid_stars_amount": 3}, "[paid media]"),
)
TELEGRAM_HTML: tuple[tuple[dict[str, Any], str], ...] = (
    ({"classes": "media_photo"}, "[photo]"),
    ({"classes": "media_voice_message", "status": "00:07"}, "[voice 0:07]"),
    ({"classes": "media_video", "title": "Video message", "status": "00:12"}, "[video message 0:12]"),
    ({"classes": "video_file_wrap", "status": "1:02:05"}, "[video 1:02:05]"),
    ({"classes": "media_audio_file"}, "[audio]"),
    ({"classes": "media_file", "title": "plan.pdf"}, "[file plan.pdf]"),
    ({"classes": "media_file", "title": "card.vcf"}, "[contact]"),
    ({"classes": "media_file", "title": "File"}, "[file]"),
    ({"classes": "media_contact"}, "[contact]"),
    ({"classes": "media_location"}, "[location]"),
    ({"classes": "media_live_location"}, "[live location]"),
    ({"classes": "media_venue"}, "[location]"),
    ({"classes": "media_poll", "question": "Who?"}, "[poll: Who?]"),
    ({"classes": "media_game"}, "[game]"),
    ({"classes": "media_invoice"}, "[invoice]"),
    ({"classes": "media_call"}, "[call]"),
    ({"classes": "sticker_wrap", "status": "Not included, 10 KB"}, "[sticker]"),
    ({"classes": "animated_wrap"}, "[gif]"),
)
WHATSAPP = (
    ("<attached: 1.jpg>", "[photo]"),
    ("<attached: 1.webp>", "[sticker]"),
    ("<attached: 1.opus>", "[voice]"),
    ("song.mp3 (file attached)", "[audio]"),
    ("cat.gif (file attached)", "[gif]"),
    ("film.mp4 (file attached)", "[video]"),
    ("Anna.vcf (file attached)", "[contact]"),
    ("plan.pdf (file attached)", "[file plan.pdf]"),
    ("<Media omitted>", "[media]"),
    ("\u200esticker omitted", "[sticker]"),
    ("Location: https://maps.google.com/?q=1,2", "[location]"),
    ("POLL:\nWho comes?", "[poll: Who comes?]"),
)
META: tuple[tuple[dict[str, Any], str], ...] = (
    ({"photos": [{}]}, "[photo]"),
    ({"videos": [{}]}, "[video]"),
    ({"gifs": [{}]}, "[gif]"),
    ({"sticker": {"uri": "x"}}, "[sticker]"),
    ({"audio_files": [{"duration": 7}]}, "[voice 0:07]"),
    ({"files": [{"uri": "a/plan.pdf"}]}, "[file plan.pdf]"),
    ({"media": [{"uri": "a/1.jpeg"}]}, "[photo]"),
    ({"share": {"link": "https://a.b"}}, "[link]"),
    ({"content": "Anna sent an attachment."}, "[attachment]"),
)
DISCORD: tuple[tuple[dict[str, Any], str], ...] = (
    ({"attachments": [{"fileName": "plan.pdf"}]}, "[file plan.pdf]"),
    ({"stickers": [{"name": "Wave"}]}, "[sticker Wave]"),
    ({"stickers": [{}]}, "[sticker]"),
    ({"embeds": [{}]}, "[embed]"),
)


def _read_page_row(title: str = "", status: str = "", question: str = "", *, classes: str) -> str | None:
    page = (
        f'<html><div class="message" id="message1"><div class="media {classes}"><div class="title">{title}</div>'
        f'<div class="status">{status}</div><div class="question">{question}</div></div></div></html>'
    )
    (row,) = parse_page(MeteredFile(BytesIO(page.encode()), "page", lambda _size: None))
    assert isinstance(row, HtmlRow)
    return row.media


def _read_meta(fields: dict[str, Any]) -> str | None:
    row = {"sender_name": "Anna", "timestamp_ms": 1_700_000_000_000, **fields}
    message = convert_row(row, Chat(id=1, kind=ChatKind.PRIVATE, title="Anna"), "Olga", MessageIds())
    assert isinstance(message, Message), message
    return message.media


def _read_discord(fields: dict[str, Any], folder: Path) -> str | None:
    row = {"id": "1", "type": "Default", "timestamp": AT.isoformat(), "author": {"name": "anna"}, **fields}
    path = folder / "channel.json"
    path.write_text(json.dumps({"guild": {}, "channel": {"id": "1", "type": "x", "name": "y"}, "messages": [row]}))
    ((message,),) = [item for item in read_discord(Source(path), Hints(me="anna")) if isinstance(item, list) and item]
    return message.media


def _written(folder: Path) -> Iterator[tuple[str | None, str]]:
    """Yield what each writer makes of each example, and the form that stored messages have."""
    for media, form in LIVE:
        yield describe_live(media), form
    for fields, form in TELEGRAM_JSON:
        yield describe_exported(msgspec.convert({"id": 1, **fields}, Row)), form
    for fields, form in TELEGRAM_HTML:
        yield _read_page_row(**fields), form
    for line, form in WHATSAPP:
        yield describe_attachment(line)[0], form
    for fields, form in META:
        yield _read_meta(fields), form
    for fields, form in DISCORD:
        yield _read_discord(fields, folder), form


def test_every_writer_writes_the_forms_that_stored_messages_have(tmp_path: Path) -> None:
    assert [(written, form) for written, form in _written(tmp_path) if written != form] == []


def test_every_kind_as_every_writer_writes_it_is_refused_as_an_answer(tmp_path: Path) -> None:
    forms = sorted({str(written) for written, _ in _written(tmp_path)})
    answers = [answer for form in forms for answer in (form, f" {form} ", f"{form} look", f"{form}\nlook")]
    passed = [answer for answer in answers if inspect(Draft(Reply(bubbles=("yes", answer)))) != REFUSAL]
    assert passed == []


def test_every_kind_is_written_by_some_writer(tmp_path: Path) -> None:
    forms = {str(written) for written, _ in _written(tmp_path)}
    unwritten = {
        kind for kind in Kind if not any(form.startswith((f"[{kind}]", f"[{kind} ", f"[{kind}:")) for form in forms)
    }
    assert unwritten == set()


def test_no_other_module_spells_a_placeholder_out() -> None:
    spelt = [
        (path.name, node.value)
        for path in sorted(PACKAGE.rglob("*.py"))
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and find_placeholder(node.value)
    ]
    assert spelt == []


@pytest.mark.parametrize(
    "answer",
    ["[шутка]", "[sic]", "[photographer]", "[videos]", "[]", "[ ]", "(photo)", "photo", "he said [sic], really",
     "[to-doing]", "look at the photo", "😺", "🎲", "[1]", "[ok] voice it"],
)  # fmt: skip
def test_ordinary_words_in_brackets_pass(answer: str) -> None:
    assert inspect(Draft(Reply(bubbles=(answer,)))) is None


@pytest.mark.parametrize("kind", Kind)
def test_what_is_written_is_found_whatever_its_detail(kind: Kind) -> None:
    for detail in (None, "", "a", "a: b", "[", "]", "a [1].pdf", "x" * 500, "two\nlines", "a\u2028b"):
        written = write_placeholder(kind, detail)
        assert find_placeholder(written) is not None
        assert "\n" not in written
        assert len(written) <= len(kind) + DETAIL_CHARS + len("[: ]")


def test_the_placeholder_itself_is_found_and_not_the_words_behind_it() -> None:
    assert find_placeholder("[photo] look at this") == "[photo]"
    assert find_placeholder("yes\n [voice 0:07] (hm)") == "[voice 0:07]"
    assert find_placeholder("look at the [photo]") is None


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [(0, "[voice 0:00]"), (61, "[voice 1:01]"), (3600, "[voice 60:00]"), (-1, "[voice]"), (360_000, "[voice]"),
     (None, "[voice]")],
)  # fmt: skip
def test_a_duration_is_minutes_and_seconds_unless_it_is_nonsense(seconds: int | None, expected: str) -> None:
    assert write_timed(Kind.VOICE, seconds) == expected


@pytest.mark.parametrize(
    ("name", "expected"),
    [("a.JPG", "[photo]"), ("a.b.mp3", "[audio]"), ("mp3", "[audio]"), ("a.txt", "[file a.txt]"), (None, "[file]")],
)
def test_a_file_is_written_by_the_kind_that_its_suffix_tells(name: str | None, expected: str) -> None:
    assert write_file(name) == expected


def test_what_stands_for_private_values_is_written_and_recognised_anywhere() -> None:
    text = f"мой номер {write_masked(Masked.PHONE)}, др {write_masked(Masked.BIRTH_DATE)} [phone call]"
    assert find_masked(text) == ("[phone]", "[birth date]")
