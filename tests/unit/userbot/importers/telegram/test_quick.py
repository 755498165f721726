"""Messages made quickly are messages."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from userbot.domain.messages import Message, Origin
from userbot.importers.telegram.quick import Draft


def test_finished_draft_is_a_message() -> None:
    at = datetime(2026, 1, 1, tzinfo=UTC)
    values: list[Any] = [1, 2, Origin.CONTACT, at, "a", "m", 3, "n", 4, 5, True, True, at]
    fields: dict[str, Any] = dict(zip(Message.__slots__, values, strict=True))
    made: object = Draft()
    for name, value in fields.items():
        setattr(made, name, value)
    made.__class__ = Message
    assert isinstance(made, Message)
    assert made == Message(**fields)
    assert hash(made) == hash(Message(**fields))
