"""Time as the reply path sees it."""

from __future__ import annotations

import asyncio
from datetime import UTC, timedelta

from fakes import START, FakeClock
from fakes_reply import FakeTimer

from userbot.reply.timer import WallTimer, sleep_until


async def test_waiting_ends_when_the_time_has_come_even_if_the_clock_is_put_back() -> None:
    clock = FakeClock()
    timer = FakeTimer(clock)
    waiting = asyncio.create_task(sleep_until(timer, START + timedelta(seconds=60)))
    await asyncio.sleep(0)
    assert timer.wake_next(START + timedelta(hours=1))
    assert clock() == START + timedelta(seconds=30)  # looked at the clock again on the way
    clock.now = START
    await asyncio.sleep(0)
    for _ in range(2):
        assert not waiting.done()
        timer.wake_next(START + timedelta(hours=1))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
    assert waiting.done()


async def test_time_that_has_passed_is_not_waited_for() -> None:
    timer = WallTimer()
    await asyncio.wait_for(sleep_until(timer, timer.now() - timedelta(hours=1)), timeout=1)
    await asyncio.wait_for(timer.sleep(-5), timeout=1)


def test_wall_time_is_aware() -> None:
    assert WallTimer().now().tzinfo is UTC
