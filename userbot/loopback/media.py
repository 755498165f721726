"""Attachments for scripted messages, without content to download."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from telethon.tl import types

_LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)


def sticker(emoji: str) -> Any:
    """Return a sticker that stands for an emoji."""
    attribute = types.DocumentAttributeSticker(emoji, types.InputStickerSetEmpty())
    return _document("image/webp", [attribute])


def voice(duration_s: int) -> Any:
    """Return a voice message."""
    attribute = types.DocumentAttributeAudio(duration_s, voice=True)
    return _document("audio/ogg", [attribute], voice=True)


def round_video(duration_s: int) -> Any:
    """Return a round video message."""
    attribute = types.DocumentAttributeVideo(float(duration_s), 240, 240, round_message=True)
    return _document("video/mp4", [attribute], video=True, round=True)


def file(name: str, *, mime_type: str = "application/octet-stream") -> Any:
    """Return a file."""
    return _document(mime_type, [types.DocumentAttributeFilename(name)])


def photo() -> Any:
    """Return a photo."""
    return types.MessageMediaPhoto(photo=types.Photo(1, 1, b"", _LONG_AGO, [types.PhotoSize("x", 800, 600, 1000)], 2))


def _document(mime_type: str, attributes: list[Any], **flags: bool) -> Any:
    document = types.Document(1, 1, b"", _LONG_AGO, mime_type, 1000, 2, attributes)
    return types.MessageMediaDocument(document=document, **flags)
