"""Attachments of a row -> placeholders."""

from __future__ import annotations

from typing import Any

import msgspec
from msgspec import UNSET

from userbot.domain.placeholders import Kind, write_audio, write_placeholder, write_sticker, write_timed
from userbot.importers.telegram.rows import Row, join_text

_TIMED = {"voice_message": Kind.VOICE, "video_message": Kind.VIDEO_MESSAGE, "video_file": Kind.VIDEO}


def describe_media(row: Row) -> str | None:
    """Return the placeholder of a row's attachment, or None without one."""
    if row.media_type is not None:
        return _describe_typed(row)
    if row.photo is not None:
        return write_placeholder(Kind.PHOTO)
    if row.file is not None or row.file_name is not None:
        return write_placeholder(Kind.FILE, _file_name(row))
    if row.contact_information is not UNSET:
        return write_placeholder(Kind.CONTACT)
    if row.location_information is not UNSET or row.place_name is not None:
        if row.live_location_period_seconds:
            return write_placeholder(Kind.LIVE_LOCATION)
        return write_placeholder(Kind.LOCATION, row.place_name)
    if row.poll is not None:
        return write_placeholder(Kind.POLL, _nested(row.poll, "question"))
    if row.todo_list is not None:
        return write_placeholder(Kind.TO_DO, _nested(row.todo_list, "title"))
    return _describe_rare(row)


def join_entities(row: Row) -> str:
    """Return the text of a row that has it only as entities; "" without any."""
    return join_text(msgspec.json.decode(row.text_entities)) if row.text_entities else ""


def _describe_typed(row: Row) -> str:
    kind = row.media_type or ""
    if kind == "sticker":
        return write_sticker(row.sticker_emoji)
    if kind == "audio_file":
        return write_audio(row.performer, row.title, seconds=row.duration_seconds)
    if kind == "animation":
        return write_placeholder(Kind.GIF)
    if kind in _TIMED:
        return write_timed(_TIMED[kind], row.duration_seconds)
    return write_placeholder(Kind.FILE, _file_name(row))


def _describe_rare(row: Row) -> str | None:
    if row.game_title is not None:
        return write_placeholder(Kind.GAME, row.game_title)
    if row.invoice_information is not UNSET:
        return write_placeholder(Kind.INVOICE)
    if row.giveaway_information is not UNSET or row.giveaway_results is not UNSET:
        return write_placeholder(Kind.GIVEAWAY)
    if row.paid_stars_amount is not None:
        return write_placeholder(Kind.PAID_MEDIA)
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
