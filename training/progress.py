"""What a training run tells while it goes on: one stream of events, for a person, a file, or another process.

Events, each with its values:

==============  ======================================================================================================
`note`          `text`: a line for the owner, such as which attention runs
`config`        the whole configuration, base, parent, run
`data`          samples, tokens, supervised tokens, updates, held-out samples
`estimate`      memory by part, time, what to change
`step`          step, total, loss (nats a supervised token), learning_rate, tokens_per_s, memory_bytes, eta_s
`evaluation`    step, loss, bits_per_char on the held-out samples; name: `before`, `current`, `during`, `after`
`checkpoint`    step
`done`          adapter_id, worse, metrics
`error`         text, exit_code
==============  ======================================================================================================
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Protocol, TextIO


class Progress(Protocol):
    """Whoever wants to know."""

    def report(self, event: str, /, **values: Any) -> None:
        """Take an event; its values can be written as JSON."""
        ...


class NoProgress:
    """Progress that nobody wants to know."""

    def report(self, event: str, /, **values: Any) -> None:
        """Do nothing."""


class JsonLines:
    """Progress as a line of JSON an event.

    Args:
        stream: Where to; each line is flushed.
    """

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def report(self, event: str, /, **values: Any) -> None:
        """Write a line."""
        self._stream.write(json.dumps({"event": event, **values}, ensure_ascii=False, default=str) + "\n")
        self._stream.flush()


class Broadcast:
    """Progress for several listeners.

    Args:
        listeners: In the order of telling them.
    """

    def __init__(self, *listeners: Progress) -> None:
        self._listeners = listeners

    def report(self, event: str, /, **values: Any) -> None:
        """Tell all of them."""
        for listener in self._listeners:
            listener.report(event, **values)


def read_events(path: Path) -> list[dict[str, Any]]:
    """Read a log of JSON lines; a last line that was cut off is left out."""
    events = []
    for line in path.read_text("utf-8").splitlines():
        try:
            events.append(json.loads(line))
        except json.JSONDecodeError:
            break
    return events


def plot_loss(events: Iterable[Mapping[str, Any]], path: Path) -> None:
    """Draw the losses of a run as PNG; of steps that were run twice, after a crash, the later one counts."""
    from matplotlib.figure import Figure

    steps: dict[int, float] = {}
    held_out: dict[int, float] = {}
    for event in events:
        if event["event"] == "step":
            steps[event["step"]] = event["loss"]
        elif event["event"] == "evaluation" and event["name"] != "current":
            held_out[event["step"]] = event["loss"]
    figure = Figure(figsize=(7, 4), layout="constrained")
    axes = figure.add_subplot()
    axes.plot(list(steps), list(steps.values()), linewidth=1, label="training")
    axes.plot(list(held_out), list(held_out.values()), marker="o", label="held out")
    axes.set_xlabel("update")
    axes.set_ylabel("loss, nats a supervised token")
    axes.grid(alpha=0.3)
    axes.legend()
    figure.savefig(path, dpi=110)
