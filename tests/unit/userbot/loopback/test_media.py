"""Attachments for scripted messages, as the product reads them."""

from __future__ import annotations

from typing import Any

import pytest

from userbot.loopback import media
from userbot.telegram.convert import describe_media


@pytest.mark.parametrize(
    ("attachment", "placeholder"),
    [
        (media.sticker("😺"), "😺"),
        (media.voice(7), "[voice 0:07]"),
        (media.round_video(12), "[video message 0:12]"),
        (media.file("plan.pdf"), "[file plan.pdf]"),
        (media.photo(), "[photo]"),
    ],
)
def test_each_attachment_is_what_it_is_called(attachment: Any, placeholder: str) -> None:
    assert describe_media(attachment) == placeholder
