"""Run folders: what a training run leaves on disk while it is under way, and afterwards.

::

    <home>/runs/<run id>/
      run.json           what the run trains, and how far it came: `RunRecord`
      log.jsonl          every event; its lock is held by the process that works on the run
      train/, held_out/  the samples as arrays of tokens; until the run is done
      checkpoint.pt      adapter weights, optimiser, position, replaced as a whole; until the run is done
      loss.png           the losses; once the run is done

A folder whose `run.json` is missing or damaged is not a run: nothing resumes it, and only pruning touches it.
"""

from __future__ import annotations

import fcntl
import json
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, fields
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import Any, TextIO

from userbot.domain.errors import ConfigError
from userbot.store.adapters import new_id, write_json

TRAIN, HELD_OUT = "train", "held_out"
"""The two parts of the samples: folders of a run, and keys of what a run and a manifest say about their data."""


class RunState(StrEnum):
    """How far a run came; the values are those of `run.json`."""

    RUNNING = "running"
    """It is under way, or was stopped or died on the way, and can be resumed."""
    DONE = "done"
    """Its adapter is on the shelf."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunRecord:
    """What `run.json` holds.

    Args:
        state: How far the run came.
        base: Name of the base model.
        parent: Id of the adapter that it continues from; None starts afresh.
        config: The whole training configuration, as JSON.
        data: Which messages it trains on: chats, ranges of ids, counts.
        adapter_id: The adapter that it made; None before.
    """

    state: RunState
    base: str = ""
    parent: str | None = None
    config: Mapping[str, Any] = field(default_factory=dict)
    data: Mapping[str, Any] = field(default_factory=dict)
    adapter_id: str | None = None

    def to_json(self) -> dict[str, Any]:
        """Return plain values, without an adapter id where there is none yet."""
        values = {each.name: getattr(self, each.name) for each in fields(self)}
        return {name: value for name, value in values.items() if name != "adapter_id" or value is not None}

    @classmethod
    def from_json(cls, values: Any) -> RunRecord:
        """Read what `to_json` returned; keys that this version does not know are left out.

        Raises:
            ValueError: It is no record.
        """
        if not isinstance(values, Mapping) or not all(isinstance(values.get(key, {}), Mapping) for key in _NESTED):
            raise ValueError("not the record of a run")
        known = {each.name: values[each.name] for each in fields(cls) if each.name in values}
        return cls(**{**known, "state": RunState(str(values.get("state")))})


_NESTED = ("config", "data")


@dataclass(frozen=True, slots=True)
class RunFolder:
    """One run's folder.

    Args:
        path: `<home>/runs/<run id>`.
    """

    path: Path

    @classmethod
    def create(cls, runs: Path, now: datetime) -> RunFolder:
        """Make the folder of a new run, 0700.

        Args:
            runs: `<home>/runs`; made if missing.
            now: Names the run.
        """
        path = runs / new_id(now)
        path.mkdir(parents=True, mode=0o700)
        return cls(path)

    @property
    def id(self) -> str:
        """Return the run's id."""
        return self.path.name

    @property
    def checkpoint(self) -> Path:
        """Return the path of the checkpoint."""
        return self.path / "checkpoint.pt"

    @property
    def log(self) -> Path:
        """Return the path of the log, one event per line."""
        return self.path / "log.jsonl"

    @property
    def loss_plot(self) -> Path:
        """Return the path of the picture of the losses."""
        return self.path / "loss.png"

    @contextmanager
    def claim(self) -> Iterator[TextIO]:
        """Hold the run for this process alone, as long as the context lasts; gives its log, opened for appending.

        Two processes would overwrite each other's checkpoints. The system releases the lock when a process dies.

        Raises:
            ConfigError: Another process works on the run.
        """
        with self.log.open("a", encoding="utf-8") as log:
            self.log.chmod(0o600)
            try:
                fcntl.flock(log, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as exc:
                raise ConfigError(
                    f"Another process works on run {self.id}, so there is nothing to resume. Wait for its end; "
                    f"`clone status` shows a training of the daemon."
                ) from exc
            yield log

    def write(self, record: RunRecord) -> None:
        """Replace `run.json`; a reader sees the old one or the new one, never a half."""
        write_json(self._record_path, record.to_json())

    def read(self) -> RunRecord | None:
        """Return what `run.json` says; None where it is missing or damaged."""
        try:
            return RunRecord.from_json(json.loads(self._record_path.read_text("utf-8")))
        except (OSError, ValueError):
            return None

    def clear(self) -> None:
        """Remove what only an unfinished run needs: the samples and the checkpoint."""
        for name in (TRAIN, HELD_OUT):
            shutil.rmtree(self.path / name, ignore_errors=True)
        self.checkpoint.unlink(missing_ok=True)

    def remove(self) -> None:
        """Delete the folder with all that is in it."""
        shutil.rmtree(self.path)

    @property
    def _record_path(self) -> Path:
        return self.path / "run.json"


def list_runs(runs: Path) -> list[RunFolder]:
    """Return all folders of runs, oldest first, the damaged ones among them.

    Args:
        runs: `<home>/runs`; may be missing.
    """
    return [RunFolder(path) for path in sorted(runs.glob("*")) if path.is_dir()]


def list_unfinished(runs: Path) -> list[tuple[RunFolder, RunRecord]]:
    """Return the runs that did not come to their end, oldest first; one may be under way in another process.

    Args:
        runs: `<home>/runs`; may be missing.
    """
    pairs = [(run, run.read()) for run in list_runs(runs)]
    return [(run, record) for run, record in pairs if record is not None and record.state is RunState.RUNNING]


def find_run_of(runs: Path, adapter_id: str) -> RunFolder | None:
    """Return the run that made an adapter; None where its folder is gone or damaged.

    Args:
        runs: `<home>/runs`; may be missing.
        adapter_id: The adapter.
    """
    for run in reversed(list_runs(runs)):
        record = run.read()
        if record is not None and record.adapter_id == adapter_id:
            return run
    return None
