"""Notices to the owner: in order, and none is lost while Telegram can't be reached."""

from __future__ import annotations

import pytest

from userbot.domain.errors import OfflineError, SessionLostError, TelegramError
from userbot.reply.notices import KEPT, Notices


class Channel:
    def __init__(self, *faults: Exception) -> None:
        self.faults = list(faults)
        self.told: list[str] = []

    async def notify_owner(self, text: str) -> int | None:
        if self.faults:
            raise self.faults.pop(0)
        self.told.append(text)
        return None


async def test_notice_that_failed_goes_out_with_the_next() -> None:
    channel = Channel(OfflineError("There is no connection."), TelegramError("It failed."))
    notices = Notices(channel)
    for text in ("one", "two", "three"):
        await notices.notify_owner(text)
    assert channel.told == ["one", "two", "three"]


async def test_what_waits_has_an_end() -> None:
    channel = Channel(*[OfflineError("There is no connection.")] * (KEPT + 5))
    notices = Notices(channel)
    for number in range(KEPT + 6):
        await notices.notify_owner(str(number))
    assert channel.told == [str(number) for number in range(6, KEPT + 6)]


async def test_lost_session_is_not_passed_over() -> None:
    with pytest.raises(SessionLostError):
        await Notices(Channel(SessionLostError("It was revoked."))).notify_owner("one")
