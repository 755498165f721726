"""Message values made quickly: millions of frozen dataclasses cost more than reading the file that they come from.

A frozen dataclass sets each field through `object.__setattr__`, 13 calls per message. A class with the same slots sets
them directly, and since both have one memory layout, the object may then change its class. The result can't be told
from `Message(...)`, which a test asserts.
"""

from __future__ import annotations

from datetime import datetime

from userbot.domain.messages import Message, Origin


class Draft:
    """A message to be: set every field, then assign `Message` to its `__class__`. The fields are those of `Message`."""

    __slots__ = Message.__slots__

    chat_id: int
    id: int
    origin: Origin
    sent_at: datetime
    text: str
    media: str | None
    sender_id: int | None
    sender_name: str | None
    reply_to_id: int | None
    topic_id: int | None
    forwarded: bool
    via_bot: bool
    edited_at: datetime | None
