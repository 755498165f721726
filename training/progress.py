"""Where the events of a run go: nowhere, into memory, to a stream as JSON lines; and how a log is read again."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Protocol, TextIO, TypeVar

from training.events import Evaluated, EvaluationName, Event, Stepped, parse_event

E = TypeVar("E")


class Progress(Protocol):
    """Receives the events of a run."""

    def report(self, event: Event) -> None:
        """Take an event."""
        ...


class NoProgress:
    """Progress that drops every event."""

    def report(self, event: Event) -> None:
        """Do nothing."""


class RecordedProgress:
    """Progress that is kept in memory, for tests and benchmarks.

    Args:
        events: All events, oldest first.
    """

    def __init__(self) -> None:
        self.events: list[Event] = []

    def report(self, event: Event) -> None:
        """Append the event."""
        self.events.append(event)

    def of(self, kind: type[E]) -> list[E]:
        """Return the events of one class, oldest first."""
        return [event for event in self.events if isinstance(event, kind)]


class JsonLines:
    """Progress as one line of JSON per event.

    Args:
        stream: Where the lines are written; each one is flushed.
    """

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def report(self, event: Event) -> None:
        """Write a line."""
        # default=str: the configuration holds paths.
        self._stream.write(json.dumps(event.to_json(), ensure_ascii=False, default=str) + "\n")
        self._stream.flush()


class Broadcast:
    """Progress for several listeners.

    Args:
        listeners: Each gets every event, in this order.
    """

    def __init__(self, *listeners: Progress) -> None:
        self._listeners = listeners

    def report(self, event: Event) -> None:
        """Report the event to all of them."""
        for listener in self._listeners:
            listener.report(event)


def read_events(path: Path) -> list[Event]:
    """Read a run's log.

    Args:
        path: A file that `JsonLines` wrote, of this version or an older one.

    Returns:
        Its events, oldest first. Lines that hold none are left out: one that was cut off by a crash, for instance.

    Raises:
        OSError: The file can't be read.
    """
    with path.open("rb") as lines:
        return [event for event in map(parse_event, lines) if event is not None]


def plot_loss(events: Iterable[Event], path: Path) -> None:
    """Draw the training and the held-out losses of a run as PNG.

    Of steps that were run twice, after a crash, the later one counts. The active adapter's score is no part of the
    curve: it belongs to another training.

    Args:
        events: Of one run.
        path: The picture.
    """
    from matplotlib.figure import Figure

    steps: dict[int, float] = {}
    held_out: dict[int, float] = {}
    for event in events:
        match event:
            case Stepped():
                steps[event.step] = event.loss
            case Evaluated() if event.name is not EvaluationName.ACTIVE:
                held_out[event.step] = event.loss
            case _:
                pass
    figure = Figure(figsize=(7, 4), layout="constrained")
    axes = figure.add_subplot()
    axes.plot(list(steps), list(steps.values()), linewidth=1, label="training")
    axes.plot(list(held_out), list(held_out.values()), marker="o", label="held out")
    axes.set_xlabel("update")
    axes.set_ylabel("loss, nats per supervised token")
    axes.grid(alpha=0.3)
    axes.legend()
    figure.savefig(path, dpi=110)
