"""The disclosure index follows the store in the background."""

from __future__ import annotations

import asyncio

import pytest
from fakes import FakeClock, bubble
from fakes_reply import FakeTimer
from sqlalchemy.exc import OperationalError

from userbot.daemon.indexing import keep_indexed
from userbot.domain.messages import Chat
from userbot.store import Store
from userbot.store.thread import StoreThread
from userbot.trust.disclosure import DisclosureIndex


class Faulty(DisclosureIndex):
    """An index whose first update fails, as on a full disk."""

    failed = False

    def update(self, *, limit: int = 20) -> int:
        if not self.failed:
            self.failed = True
            raise OperationalError("INSERT", {}, Exception("disk full"))
        return super().update(limit=limit)


async def test_everything_stored_is_indexed_batch_by_batch_and_a_failure_passes(
    store: Store, thread: StoreThread, clock: FakeClock, friend: Chat, caplog: pytest.LogCaptureFixture
) -> None:
    store.messages.add(bubble(n, "Бублик", chat_id=friend.id) for n in range(1, 60))
    timer = FakeTimer(clock)
    task = asyncio.create_task(keep_indexed(Faulty(store.disclosure), thread, timer))
    try:
        for _ in range(20):
            await asyncio.sleep(0.01)
            timer.wake_next(clock.now.replace(year=2100))
        assert store.disclosure.count_waiting(limit=99) == 0
        store.messages.add([bubble(99, "ещё", chat_id=friend.id)])
        for _ in range(5):
            await asyncio.sleep(0.01)
            timer.wake_next(clock.now.replace(year=2100))
        assert store.disclosure.count_waiting(limit=99) == 0
    finally:
        task.cancel()
    assert "could not be updated" in caplog.text and "Бублик" not in caplog.text
