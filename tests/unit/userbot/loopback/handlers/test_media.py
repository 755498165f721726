"""Pictures: uploaded in parts, then sent."""

from __future__ import annotations

from typing import Any

from loopback_bench import Bench, Device
from telethon.tl import functions, types


def send(phone: Device, media: Any) -> Any:
    return phone.call(functions.messages.SendMediaRequest(types.InputPeerSelf(), media, "a caption", random_id=5))


def test_a_picture_is_sent_with_its_caption_once_all_its_parts_are_there(bench: Bench, phone: Device) -> None:
    picture = types.InputMediaUploadedPhoto(types.InputFile(9, 2, "a.png", ""))
    phone.call(functions.upload.SaveFilePartRequest(9, 0, b"abc"))
    assert send(phone, picture).error_message == "FILE_PARTS_INVALID"
    phone.call(functions.upload.SaveFilePartRequest(9, 1, b"de"))
    send(phone, picture)
    (stored,) = bench.world.history(bench.owner, bench.owner.user_id)
    assert (stored.text, stored.media.photo.id, stored.media.photo.sizes[0].size) == ("a caption", 9, 5)
    assert bench.owner.uploads[9] == {0: b"abc", 1: b"de"}


def test_other_media_are_refused(phone: Device) -> None:
    assert send(phone, types.InputMediaEmpty()).error_message == "MEDIA_INVALID"
