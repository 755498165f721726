"""The injected clock for libraries that look at the clock themselves."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, tzinfo


def clocked_datetime(clock: Callable[[], datetime]) -> type[datetime]:
    """Make a `datetime` whose `now` is that of a fake clock; what it returns is plain, so that it can be pickled."""

    class ClockedDatetime(datetime):
        @classmethod
        def now(cls, tz: tzinfo | None = None) -> datetime:  # type: ignore[override]  # plain on purpose
            return clock().astimezone(tz)

        @classmethod
        def fromtimestamp(  # type: ignore[override]  # plain on purpose
            cls, timestamp: float, tz: tzinfo | None = None
        ) -> datetime:
            return datetime.fromtimestamp(timestamp, tz)

    return ClockedDatetime
