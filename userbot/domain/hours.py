"""Hours of the day, as owners write them: 23:00-08:00."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, time, timedelta, tzinfo


@dataclass(frozen=True, slots=True)
class Hours:
    """A span of the day that may run over midnight.

    Args:
        start: First moment of it.
        end: First moment after it.
    """

    start: time
    end: time

    @classmethod
    def parse(cls, text: str) -> Hours:
        """Read a span such as `23:00-08:00`.

        Raises:
            ValueError: The text is no such span.
        """
        try:
            start, end = (time.fromisoformat(part.strip()) for part in text.split("-"))
        except ValueError:
            raise ValueError(f"{text!r} is not a span of hours; write it like 23:00-08:00") from None
        return cls(start, end)

    def __str__(self) -> str:
        """Write the span as `parse` reads it."""
        return f"{self.start:%H:%M}-{self.end:%H:%M}"

    def holds(self, clock: time) -> bool:
        """Tell whether a time of day lies within the span."""
        if self.start <= self.end:
            return self.start <= clock < self.end
        return clock >= self.start or clock < self.end

    def end_after(self, now: datetime, zone: tzinfo | None) -> datetime | None:
        """Return when the span that contains `now` will end; None outside of it.

        Args:
            now: Aware.
            zone: Time zone of the span; None is the machine's.

        Returns:
            An aware time in the zone of `now`.
        """
        local = now.astimezone(zone)
        clock = local.time()
        if not self.holds(clock):
            return None
        day = local.date() + timedelta(days=1) if clock >= self.end else local.date()
        # Combined rather than added up, as the offset from UTC may change overnight. No zone means the machine's.
        return datetime.combine(day, self.end, tzinfo=zone).astimezone(now.tzinfo)
