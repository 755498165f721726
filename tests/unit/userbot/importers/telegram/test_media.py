"""Attachments of a row as placeholders."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from fixtures.exports.loading import load_rows
from fixtures.exports.shapes import (
    row,
)

from userbot.store import Store


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"media_type": "sticker", "sticker_emoji": "😀", "file": "x.webp"}, "😀"),
        ({"media_type": "sticker", "file": "x.webp"}, "[sticker]"),
        ({"media_type": "voice_message", "duration_seconds": 7}, "[voice 0:07]"),
        ({"media_type": "video_message", "duration_seconds": 12}, "[video message 0:12]"),
        ({"media_type": "video_file", "duration_seconds": 63}, "[video 1:03]"),
        ({"media_type": "video_file"}, "[video]"),
        ({"media_type": "animation"}, "[gif]"),
        ({"media_type": "audio_file", "performer": "A", "title": "B"}, "[audio A – B]"),
        ({"media_type": "audio_file", "duration_seconds": 5}, "[audio 0:05]"),
        ({"media_type": "hologram", "file_name": "x.bin"}, "[file x.bin]"),
        ({"photo": "photos/1.jpg"}, "[photo]"),
        ({"file": "files/plan.pdf"}, "[file plan.pdf]"),
        ({"file": "(File not included. Change data exporting settings to download.)"}, "[file]"),
        ({"file": "(File not included.)", "file_name": "plan\nb.pdf"}, "[file plan b.pdf]"),
        ({"contact_information": {"first_name": "A", "phone_number": "+49 1"}}, "[contact]"),
        ({"location_information": {"latitude": 1.5, "longitude": 2}}, "[location]"),
        ({"location_information": None, "live_location_period_seconds": 900}, "[live location]"),
        ({"place_name": "Kino", "location_information": {}}, "[location Kino]"),
        ({"poll": {"question": "Who?", "answers": []}}, "[poll: Who?]"),
        ({"poll": {"question": ["Wh", {"type": "bold", "text": "o?"}]}}, "[poll: Who?]"),
        ({"poll": "odd"}, "[poll]"),
        ({"todo_list": {"title": "Buy"}}, "[to-do: Buy]"),
        ({"game_title": "Chess"}, "[game Chess]"),
        ({"invoice_information": "{}"}, "[invoice]"),
        ({"giveaway_information": {}}, "[giveaway]"),
        ({"paid_stars_amount": 3}, "[paid media]"),
    ],
)
def test_media_become_placeholders(store: Store, tmp_path: Path, fields: dict[str, Any], expected: str) -> None:
    (message,) = load_rows(store, tmp_path, row(1, "", **fields))
    assert (message.media, message.text) == (expected, "")
