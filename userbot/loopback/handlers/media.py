"""Pictures: uploaded in parts, then sent."""

from __future__ import annotations

from typing import Any

from telethon.errors import RPCError
from telethon.tl import functions, types

from userbot.loopback.handlers.messages import send
from userbot.loopback.handlers.registry import Call, handles
from userbot.loopback.world.actions import Outgoing


@handles(functions.upload.SaveFilePartRequest)
def save_file_part(call: Call, request: Any) -> Any:
    """Keep a part of a file until it is sent."""
    call.account.uploads.setdefault(request.file_id, {})[request.file_part] = request.bytes
    return True


@handles(functions.messages.SendMediaRequest)
def send_media(call: Call, request: Any) -> Any:
    """Send an uploaded picture with its caption; its bytes stay in the sender's `uploads`, under the picture's id."""
    if not isinstance(request.media, types.InputMediaUploadedPhoto):
        raise RPCError(None, "MEDIA_INVALID", 400)
    file = request.media.file
    parts = call.account.uploads.get(file.id, {})
    if sorted(parts) != list(range(file.parts)):
        raise RPCError(None, "FILE_PARTS_INVALID", 400)
    size = types.PhotoSize("x", 1, 1, sum(map(len, parts.values())))
    photo = types.Photo(file.id, 1, b"", call.world.now(), [size], call.services.dc_id)
    return send(call, request, Outgoing(request.message, media=types.MessageMediaPhoto(photo=photo)))
