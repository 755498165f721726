"""Time as the reply path sees it, so that tests can move it."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import Protocol


class Timer(Protocol):
    """Tells the time and waits."""

    def now(self) -> datetime:
        """Return the time, aware, UTC."""
        ...

    async def sleep(self, seconds: float) -> None:
        """Wait; not at all for zero and below."""
        ...


class WallTimer:
    """The machine's clock."""

    def now(self) -> datetime:
        """Return the time, aware, UTC."""
        return datetime.now(UTC)

    async def sleep(self, seconds: float) -> None:
        """Wait; not at all for zero and below."""
        if seconds > 0:
            await asyncio.sleep(seconds)


async def sleep_until(timer: Timer, at: datetime) -> None:
    """Wait for a time to come, even if the clock is set forward or back meanwhile, or the machine is suspended."""
    while (left_s := (at - timer.now()).total_seconds()) > 0:
        await timer.sleep(min(left_s, 30.0))
