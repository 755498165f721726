"""A training run as a person sees it: the process, its progress bar, its results."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

from userbot.cli.screen import console
from userbot.domain.errors import CloneError, ExitCode

GIB = 2**30


class TrainingFailedError(CloneError):
    """The training process ended without an adapter.

    Args:
        text: What it said last.
        exit_code: The process's.
    """

    def __init__(self, text: str, exit_code: int) -> None:
        super().__init__(text)
        self.exit_code = exit_code


@dataclass(slots=True)
class Outcome:
    """What a finished run has told.

    Args:
        adapter_id: The new adapter.
        worse: It is kept, but worse than the one in service.
        losses: Held-out loss, nats a supervised token, by name: `before`, `after`.
        error: Its last error.
        verdict: Of a trial: `passed`, `summary`, paths of `report` and `picture`.
    """

    adapter_id: str | None = None
    worse: bool = False
    losses: dict[str, float] = field(default_factory=dict)
    error: str | None = None
    verdict: dict[str, Any] = field(default_factory=dict)


def run_training(arguments: Sequence[str]) -> Outcome:
    """Train in a process of its own, showing its progress; Ctrl-C lets it write a checkpoint first.

    Args:
        arguments: For `python -m training`.

    Raises:
        TrainingFailedError: It ended without an adapter.
    """
    return _run("training", arguments)


def run_comparison(home: Path, candidate: str, current: str | None) -> Outcome:
    """Let two adapters answer the same held-out contexts, in a process of its own, and tell which is better.

    Args:
        home: The home folder.
        candidate: The new adapter.
        current: The one in service; None compares with the bare base.

    Raises:
        TrainingFailedError: No verdict came.
    """
    arguments = ["--home", str(home), "--candidate", candidate]
    return _run("training.judging.compare", [*arguments, *(["--current", current] if current else [])])


def _run(module: str, arguments: Sequence[str]) -> Outcome:
    # -P: a file in the current folder must not stand in for a module.
    command = [sys.executable, "-P", "-m", module, *arguments]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, encoding="utf-8") as process:  # noqa: S603  # ourselves
        outcome = _watch(process)
    if process.returncode not in (ExitCode.DONE, ExitCode.WORSE):
        text = outcome.error or f"It stopped with exit code {process.returncode}; what it said above tells why."
        raise TrainingFailedError(text, process.returncode if process.returncode > 0 else ExitCode.STOPPED)
    return outcome


def _watch(process: subprocess.Popen[str]) -> Outcome:
    outcome = Outcome()
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[figures]}"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console) as bar:
        task = bar.add_task("training", total=None, figures="", visible=False)
        for event in _read_events(process):
            _show(event, bar, task, outcome=outcome)
    return outcome


def _read_events(process: subprocess.Popen[str]) -> Iterator[dict[str, Any]]:
    if process.stdout is None:
        return
    lines = iter(process.stdout)
    while True:
        try:
            line = next(lines)
            yield json.loads(line)
        except StopIteration:
            return
        except json.JSONDecodeError:
            console.print(escape(line.rstrip()))  # a library that prints to stdout
        except KeyboardInterrupt:
            # The terminal has told the process too; it writes a checkpoint and says how to go on.
            console.print("Stopping at the next checkpoint…")


def _show(event: dict[str, Any], bar: Progress, task: TaskID, *, outcome: Outcome) -> None:
    match event:
        case {"event": "note", "text": text}:
            bar.console.print(f"[dim]{escape(text)}[/]")
        case {"event": "data"}:
            bar.console.print(_describe_data(event))
        case {"event": "step", "step": step, "total": total, "loss": loss}:
            speed = f"{event['tokens_per_s']:,.0f} tok/s" if event.get("tokens_per_s") else ""
            memory = f"{event['memory_bytes'] / GIB:.1f} GiB" if event.get("memory_bytes") else ""
            figures = "  ".join(part for part in (f"loss {loss:.3f} nats/token", speed, memory) if part)
            bar.update(task, completed=step, total=total, figures=figures, visible=True)
        case {"event": "evaluation", "name": str(name), "loss": loss}:
            outcome.losses[name] = loss
            bits = f", {event['bits_per_char']:.3f} bits a character" if event.get("bits_per_char") else ""
            bar.console.print(
                f"held-out loss {name if name != 'during' else 'now'}: [b]{loss:.3f}[/] nats a token{bits}"
            )
        case {"event": "answer", "answered": answered, "prompts": prompts}:
            bar.update(task, description="answering", completed=answered, total=prompts, visible=True)
        case {"event": "verdict"}:
            outcome.verdict = event
        case {"event": "done"}:
            outcome.adapter_id, outcome.worse = event.get("adapter_id"), bool(event.get("worse"))
        case {"event": "error", "text": text}:
            outcome.error = text


def _describe_data(event: dict[str, Any]) -> str:
    known = {key: value for key, value in event.items() if isinstance(value, int)}
    return "  ".join(f"{name.replace('_', ' ')}: {value:,}" for name, value in known.items())
