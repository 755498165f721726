"""Wait until the contact has finished: state without a timer, driven by the caller's clock."""

from __future__ import annotations

from datetime import datetime, timedelta

TYPING_HOLD_S = 6.0
"""How long Telegram's typing action holds without being refreshed."""


class Debounce:
    """Tells when a burst counts as finished.

    Each new bubble, edit or typing action postpones the end, at most to `burst_max_s` after the first bubble.

    Args:
        quiet_s: Seconds of silence that end a burst.
        burst_max_s: Longest wait since the burst's first bubble, seconds.
    """

    def __init__(self, *, quiet_s: float, burst_max_s: float) -> None:
        self._quiet = timedelta(seconds=quiet_s)
        self._typing = timedelta(seconds=max(quiet_s, TYPING_HOLD_S))
        self._ceiling = timedelta(seconds=burst_max_s)
        self.started_at: datetime | None = None
        self._ends_at: datetime | None = None

    @property
    def due_at(self) -> datetime | None:
        """Return when the burst ends if nothing more happens; None without a burst."""
        if self.started_at is None or self._ends_at is None:
            return None
        return min(self._ends_at, self.started_at + self._ceiling)

    def add_bubble(self, at: datetime) -> None:
        """Note a new or edited bubble."""
        self.started_at = self.started_at or at
        self._postpone(at + self._quiet)

    def add_typing(self, at: datetime) -> None:
        """Note that the contact is typing; it means nothing before the first bubble."""
        if self.started_at is not None:
            self._postpone(at + self._typing)

    def reopen(self, started_at: datetime) -> None:
        """Continue a burst that began earlier, so that its ceiling still counts from there."""
        self.started_at = started_at

    def reset(self) -> None:
        """Forget the burst."""
        self.started_at = self._ends_at = None

    def _postpone(self, end: datetime) -> None:
        self._ends_at = max(end, self._ends_at or end)
