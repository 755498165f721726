"""Rows decoded leniently: what is broken costs as little as possible."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from fixtures.exports.loading import load, load_rows
from fixtures.exports.shapes import (
    CONTACT_ID,
    account,
    chat,
    row,
    write,
)

from userbot.importers import import_file
from userbot.store import Store

LAYOUTS = ("desktop", "minified", "sorted")


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"text": ["see ", {"type": "link", "text": "https://a.b"}, " and ", {"type": "phone", "text": "112"}]},
         "see https://a.b and 112"),
        ({"text": [{"type": "custom_emoji", "text": "😀", "document_id": "1"}]}, "😀"),
        ({"text": "line\nbreak\u2028x"}, "line\nbreak\u2028x"),
        ({"text": "", "text_entities": [{"type": "plain", "text": "only here"}]}, "only here"),
        ({"text": [1, {"text": None}, "kept"]}, "kept"),
    ],
)  # fmt: skip
def test_text_is_joined_from_every_form(store: Store, tmp_path: Path, fields: dict[str, Any], expected: str) -> None:
    (message,) = load_rows(store, tmp_path, row(1) | fields)
    assert message.text == expected


def test_wrongly_typed_field_costs_that_field_only(store: Store, tmp_path: Path) -> None:
    (message,) = load_rows(store, tmp_path, row(1, "kept", duration_seconds="x", reply_to_message_id=[1], photo=7))
    assert (message.text, message.media, message.reply_to_id) == ("kept", None, None)


@pytest.mark.parametrize("shape", LAYOUTS)
def test_control_characters_written_as_hex_are_mended(store: Store, tmp_path: Path, shape: str) -> None:
    path = write(
        tmp_path / "result.json", account(chat([row(1, "a§x0Bb"), row(2, "c\\x0Bd"), row(3, "e")])), layout=shape
    )
    path.write_text(path.read_text().replace("§", "\\"))
    assert import_file(store, path).added == 3
    assert [m.text for m in store.messages.history(CONTACT_ID)] == ["a\x0bb", "c\\x0Bd", "e"]


@pytest.mark.parametrize("shape", LAYOUTS)
def test_lone_surrogates_and_invalid_bytes_are_replaced(store: Store, tmp_path: Path, shape: str) -> None:
    path = write(
        tmp_path / "result.json", account(chat([row(1, "a§ud83db"), row(2, "€"), row(3, "§ud83d§ude00")])), layout=shape
    )
    path.write_bytes(path.read_bytes().replace("§".encode(), b"\\").replace("€".encode(), b"\xff"))
    import_file(store, path)
    assert [m.text for m in store.messages.history(CONTACT_ID)] == ["a\ufffdb", "\ufffd", "😀"]


def test_time_beyond_the_calendar_costs_its_row_only(store: Store, tmp_path: Path) -> None:
    row = {"type": "message", "date": "x", "from": "Pavel", "from_id": "user5", "text": "hi"}
    times = {1: "1700000000", 2: "253402300800", 3: "1700000001"}
    rows = [{"id": number, **row, "date_unixtime": time} for number, time in times.items()]
    path = tmp_path / "result.json"
    for indent in (1, None):
        path.write_text(json.dumps({"name": "P", "type": "personal_chat", "id": 5, "messages": rows}, indent=indent))
        assert [message.id for message in load(store, path)[1]] == [1, 3]
