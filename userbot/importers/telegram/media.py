"""Compact placeholders for what is not text: short enough to learn from, and never a phone number."""

from __future__ import annotations

from typing import Any

import msgspec
from msgspec import UNSET

from userbot.domain.placeholders import bracket, describe_audio, format_duration
from userbot.importers.telegram.rows import Row, join_text


def describe_media(row: Row) -> str | None:
    """Return the placeholder of a row's attachment, or None without one."""
    if row.media_type is not None:
        return _describe_typed(row)
    if row.photo is not None:
        return "[photo]"
    if row.file is not None or row.file_name is not None:
        return bracket("file", _file_name(row))
    if row.contact_information is not UNSET:
        return "[contact]"
    if row.location_information is not UNSET or row.place_name is not None:
        return "[live location]" if row.live_location_period_seconds else bracket("location", row.place_name)
    if row.poll is not None:
        return bracket("poll:", _nested(row.poll, "question"))
    if row.todo_list is not None:
        return bracket("to-do:", _nested(row.todo_list, "title"))
    return _describe_rare(row)


def join_entities(row: Row) -> str:
    """Join the text of a row that has it only as entities."""
    return join_text(msgspec.json.decode(row.text_entities)) if row.text_entities else ""


def _describe_typed(row: Row) -> str:
    kind = row.media_type or ""
    if kind == "sticker":
        return row.sticker_emoji or "[sticker]"
    if kind == "audio_file":
        return describe_audio(row.performer, row.title, seconds=row.duration_seconds)
    if kind == "animation":
        return "[gif]"
    words = {"voice_message": "voice", "video_message": "video message", "video_file": "video"}
    if kind in words:
        return bracket(words[kind], format_duration(row.duration_seconds))
    return bracket("file", _file_name(row))


def _describe_rare(row: Row) -> str | None:
    if row.game_title is not None:
        return bracket("game", row.game_title)
    if row.invoice_information is not UNSET:
        return "[invoice]"
    if row.giveaway_information is not UNSET or row.giveaway_results is not UNSET:
        return "[giveaway]"
    if row.paid_stars_amount is not None:
        return "[paid media]"
    return None


def _file_name(row: Row) -> str | None:
    if row.file_name:
        return row.file_name
    # Instead of a path, an export without files has a sentence in parentheses.
    if not row.file or row.file.startswith("("):
        return None
    return row.file.replace("\\", "/").rsplit("/", 1)[-1]


def _nested(value: Any, key: str) -> str:
    return join_text(value.get(key)) if isinstance(value, dict) else ""
