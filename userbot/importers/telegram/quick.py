"""Message values made quickly: millions of frozen dataclasses cost more than reading the file they come from.

A frozen dataclass sets each field through `object.__setattr__`, 13 calls a message. A class with the same slots sets
them directly, and since both have one memory layout, the object may then change its class. The result can't be told
from `Message(...)`, which a test holds true.
"""

from __future__ import annotations

from datetime import datetime

from userbot.messages import Message, Origin


class QuickMessage:
    """Calling this class returns a `Message`. Arguments are its fields, by position."""

    __slots__ = Message.__slots__

    def __init__(  # the fields of Message, in its order
        self,
        chat_id: int,
        id: int,  # noqa: A002 - the field's name
        origin: Origin,
        sent_at: datetime,
        text: str,
        media: str | None,
        sender_id: int | None,
        sender_name: str | None,
        reply_to_id: int | None,
        topic_id: int | None,
        forwarded: bool,
        via_bot: bool,
        edited_at: datetime | None,
    ) -> None:
        self.chat_id = chat_id
        self.id = id
        self.origin = origin
        self.sent_at = sent_at
        self.text = text
        self.media = media
        self.sender_id = sender_id
        self.sender_name = sender_name
        self.reply_to_id = reply_to_id
        self.topic_id = topic_id
        self.forwarded = forwarded
        self.via_bot = via_bot
        self.edited_at = edited_at
        self.__class__ = Message  # type: ignore[assignment]  # the same slots, so the same layout
