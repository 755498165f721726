"""Run folders: what a training run leaves on disk while it goes on, and afterwards."""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from userbot.domain.errors import ConfigError
from userbot.store.adapters import new_id, write_json

RUNNING, DONE = "running", "done"


@dataclass(frozen=True, slots=True)
class RunFolder:
    """One run's folder."""

    path: Path

    @classmethod
    def create(cls, runs: Path, now: datetime) -> RunFolder:
        """Make the folder of a new run."""
        path = runs / new_id(now)
        path.mkdir(parents=True, mode=0o700)
        return cls(path)

    @classmethod
    def find_unfinished(cls, runs: Path) -> RunFolder:
        """Return the newest run that did not come to its end.

        Raises:
            ConfigError: There is none.
        """
        for path in sorted(runs.glob("*/run.json"), reverse=True):
            folder = cls(path.parent)
            if folder.read()["state"] == RUNNING:
                return folder
        raise ConfigError("No training run was interrupted, so there is nothing to resume. Start one: clone train")

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
        """Return the path of the log."""
        return self.path / "log.jsonl"

    def write(self, **values: Any) -> None:
        """Add values to `run.json`."""
        known = self.read() if (self.path / "run.json").is_file() else {}
        write_json(self.path / "run.json", known | values)

    def clear(self) -> None:
        """Remove what only an unfinished run needs: the samples and the checkpoint."""
        for name in ("train", "held_out"):
            shutil.rmtree(self.path / name, ignore_errors=True)
        self.checkpoint.unlink(missing_ok=True)

    def read(self) -> dict[str, Any]:
        """Return the values of `run.json`."""
        found: dict[str, Any] = json.loads((self.path / "run.json").read_text("utf-8"))
        return found
