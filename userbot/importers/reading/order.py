"""The order of the file, where its times are too coarse to tell it."""

from __future__ import annotations

from datetime import datetime, timedelta

STEP = timedelta(milliseconds=1)
"""The finest time that the store keeps."""


class FileOrder:
    """Gives messages of one time different times, a millisecond apart, in the order in which they come.

    A messenger that writes minutes alone lets several messages share a time, and ids derived from what was said do not
    sort. The store sorts by time, so what is to stay in order needs different times.
    """

    def __init__(self) -> None:
        self._at: datetime | None = None
        self._count = 0

    def place(self, at: datetime, *, unit: timedelta) -> datetime:
        """Return the time of the next message, so that it comes after those before it.

        Args:
            at: Its time as the file has it. A time before the last one, as where clocks were put back, starts afresh.
            unit: Finest unit of the file's times; the result stays within it, where more messages than that are alike.
        """
        self._count = min(self._count + 1, unit // STEP - 1) if at == self._at else 0
        self._at = at
        return at + self._count * STEP
