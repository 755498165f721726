"""Turns: many replies at once, or one change of what they are generated with."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

_POLL_S = 0.05  # what waits notices within this time that it was cancelled


class Turns:
    """A lock that replies share and a change of the adapter has alone. A change that waits lets no new reply begin."""

    def __init__(self) -> None:
        self._condition = threading.Condition()
        self._sharing = 0
        self._changing = 0  # under way or waiting
        self._alone = threading.Lock()

    @contextmanager
    def share(self, should_stop: Callable[[], bool]) -> Iterator[bool]:
        """Wait until no change is under way, and hold changes off.

        Args:
            should_stop: Asked while waiting; True gives up.

        Returns:
            A context whose value is False where it gave up.
        """
        with self._condition:
            while self._changing:
                if should_stop():
                    break
                self._condition.wait(_POLL_S)
            entered = not self._changing
            self._sharing += entered
        try:
            yield entered
        finally:
            with self._condition:
                self._sharing -= entered
                self._condition.notify_all()

    @contextmanager
    def have_alone(self) -> Iterator[None]:
        """Wait until no reply is under way, and let none begin."""
        with self._condition:
            self._changing += 1
        try:
            with self._alone:
                with self._condition:
                    while self._sharing:
                        self._condition.wait()
                yield
        finally:
            with self._condition:
                self._changing -= 1
                self._condition.notify_all()
