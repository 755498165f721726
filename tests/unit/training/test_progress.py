"""Progress: who receives events, and how a log is read after a crash and drawn."""

from __future__ import annotations

import io
from pathlib import Path

import pytest

from training.events import CheckpointSaved, Evaluated, EvaluationName, Event, Note, Stepped
from training.progress import Broadcast, JsonLines, NoProgress, Progress, RecordedProgress, plot_loss, read_events


def make_json_lines() -> Progress:
    return JsonLines(io.StringIO())


@pytest.mark.parametrize("make", [NoProgress, RecordedProgress, make_json_lines, Broadcast])
def test_every_progress_takes_events(make: type[Progress]) -> None:
    make().report(Note("a line"))


def test_a_broadcast_reaches_every_listener() -> None:
    first, second = RecordedProgress(), RecordedProgress()

    Broadcast(first, second).report(CheckpointSaved(step=1))

    assert first.events == second.events == [CheckpointSaved(step=1)]


def test_recorded_events_are_found_by_their_class() -> None:
    progress = RecordedProgress()
    for event in (Note("a"), CheckpointSaved(step=1), Note("b")):
        progress.report(event)

    assert progress.of(Note) == [Note("a"), Note("b")]


def test_a_log_is_read_as_it_was_written(tmp_path: Path) -> None:
    events: list[Event] = [Note("привет\u2028там"), Stepped(step=1, loss=2.5), Stepped(step=2, loss=2.25)]
    with (tmp_path / "log.jsonl").open("w", encoding="utf-8") as file:
        for event in events:
            JsonLines(file).report(event)

    assert read_events(tmp_path / "log.jsonl") == events


def test_a_line_that_a_crash_cut_off_does_not_hide_those_after_it(tmp_path: Path) -> None:
    log = tmp_path / "log.jsonl"
    log.write_text(
        '{"event": "step", "step": 1, "loss": 2.0}\n{"event": "st\n{"event": "step", "step": 2, "loss": 1.0}\n'
    )

    assert read_events(log) == [Stepped(step=1, loss=2.0), Stepped(step=2, loss=1.0)]


def test_the_losses_are_drawn(tmp_path: Path) -> None:
    evaluations = [Evaluated(name=name, step=0, loss=4.0) for name in EvaluationName]

    plot_loss([*evaluations, Stepped(step=1, loss=3.0), Note("x")], tmp_path / "loss.png")

    assert (tmp_path / "loss.png").read_bytes().startswith(b"\x89PNG")
