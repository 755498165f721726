"""Fakes that tests share: a clock, and messages of the test chat."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from userbot.domain.messages import Message, Origin

START = datetime(2026, 1, 5, 12, 0, tzinfo=UTC)


class FakeClock:
    """A clock that moves only when it is told to."""

    def __init__(self, now: datetime = START) -> None:
        self.now = now

    def __call__(self) -> datetime:
        return self.now

    def advance(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)


def bubble(
    message_id: int, text: str, *, origin: Origin = Origin.CONTACT, chat_id: int = 101, at_s: float = 0.0
) -> Message:
    """Make a message of the test chat, `at_s` seconds after START."""
    return Message(chat_id=chat_id, id=message_id, origin=origin, sent_at=START + timedelta(seconds=at_s), text=text)
