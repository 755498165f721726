"""A training run or a comparison as a person sees it: a progress bar, lines, and what came of it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from training.events import Answered, DataCounted, Evaluated, EvaluationName, Event, Note, Stepped
from userbot.cli.screen import console
from userbot.retraining.process import Ended, build_comparison_command, build_training_command, run_process

GIB = 2**30

_EVALUATED = {
    EvaluationName.BEFORE: "bare base",
    EvaluationName.PARENT: "the adapter that training continues from",
    EvaluationName.ACTIVE: "active adapter",
    EvaluationName.DURING: "now",
    EvaluationName.AFTER: "new adapter",
}


def run_training(home: Path, *arguments: str) -> Ended:
    """Train in a process of its own, showing its progress; Ctrl-C lets it write a checkpoint first.

    Args:
        home: The home folder.
        arguments: More arguments of `python -m training`.

    Returns:
        How it ended, with the new adapter.

    Raises:
        TrainingFailedError: It ended without an adapter.
    """
    return _run(build_training_command(home, *arguments))


def run_comparison(home: Path, candidate: str, active: str | None) -> Ended:
    """Let two adapters answer the same held-out contexts in a process of its own, showing its progress.

    Args:
        home: The home folder.
        candidate: Id of the new adapter.
        active: Id of the active one; None compares with the bare base.

    Returns:
        How it ended, with the verdict.

    Raises:
        TrainingFailedError: It ended without a verdict.
    """
    return _run(build_comparison_command(home, candidate, active))


def _run(command: Sequence[str]) -> Ended:
    with TrainingView() as view:
        return run_process(
            command,
            on_event=view.show,
            on_text=lambda line: console.print(escape(line)),  # a library that prints to stdout
            on_interrupt=lambda: console.print("Stopping at the next checkpoint…"),
        )


class TrainingView:
    """Shows events: a bar for updates and answers, lines above it for the rest. Use it in a `with` statement."""

    def __init__(self) -> None:
        columns = (
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[figures]}"),
            TimeRemainingColumn(),
        )
        self._bar = Progress(*columns, console=console)
        self._task = self._bar.add_task("training", total=None, figures="", visible=False)

    def __enter__(self) -> TrainingView:
        """Begin to draw."""
        self._bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Leave the last state on the screen."""
        self._bar.stop()

    def show(self, event: Event) -> None:
        """Show an event; those that are for the log only are left out."""
        match event:
            case Stepped():
                self._bar.update(
                    self._task, completed=event.step, total=event.total, figures=describe_step(event), visible=True
                )
            case Answered():
                self._bar.update(
                    self._task, description="answering", completed=event.answered, total=event.prompts, visible=True
                )
            case Note():
                console.print(f"[dim]{escape(event.text)}[/]")
            case DataCounted():
                console.print(describe_data(event))
            case Evaluated():
                console.print(describe_evaluation(event))
            case _:
                pass


def describe_step(event: Stepped) -> str:
    """Return the figures beside the bar: loss, speed, memory."""
    figures = [f"loss {event.loss:.3f} nats/token"]
    if event.tokens_per_s:
        figures.append(f"{event.tokens_per_s:,.0f} tok/s")
    if event.memory_bytes:
        figures.append(f"{event.memory_bytes / GIB:.1f} GiB")
    return "  ".join(figures)


def describe_data(event: DataCounted) -> str:
    """Return a line that says how much is trained on."""
    counts = {
        "samples": event.samples,
        "turns": event.turns,
        "tokens": event.tokens,
        "supervised tokens": event.supervised_tokens,
        "held-out turns": event.held_out_turns,
    }
    line = "  ".join(f"{name}: {count:,}" for name, count in counts.items())
    kinds = ", ".join(f"{kind.replace('_', ' ')} {count:,}" for kind, count in event.masked.items())
    return f"{line}  masked: {kinds}" if kinds else line


def describe_evaluation(event: Evaluated) -> str:
    """Return a line with the held-out loss, as console markup."""
    whose = _EVALUATED[event.name]
    bits = f", {event.bits_per_char:.3f} bits per character" if event.bits_per_char else ""
    return f"held-out loss, {whose}: [b]{event.loss:.3f}[/] nats per token{bits}"
