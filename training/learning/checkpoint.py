"""Run folders and checkpoints: what a run needs to go on where it was.

::

    <home>/runs/<run id>/
      run.json           configuration, base, parent, how the run stands
      train/, held_out/  the samples as arrays, tokenised once
      checkpoint.pt      adapter weights, optimiser, position; replaced whole
      log.jsonl          every event
      loss.png
"""

from __future__ import annotations

import json
import os
import shutil
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import torch

from userbot.adapters import new_id, write_json
from userbot.errors import ConfigError

RUNNING, DONE = "running", "done"


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkpoint:
    """Where a run stands after some updates. The generators of random numbers are seeded by step, so need no place.

    Args:
        step: Updates done.
        weights: Trained tensors by parameter name.
        optimizer: State of the optimiser.
        scaler: State of the gradient scaler; empty without one.
        row_tokens: Tokens of a row, which running out of memory may have changed.
        checkpointing: Whether activations are recomputed.
        tokens: Useful tokens read so far.
    """

    step: int
    weights: dict[str, torch.Tensor]
    optimizer: dict[str, Any]
    scaler: dict[str, Any]
    row_tokens: int
    checkpointing: bool
    tokens: int

    def save(self, path: Path) -> None:
        """Write the file whole, or leave the old one."""
        draft = path.with_name(f".{path.name}.{os.getpid()}")
        torch.save({name: getattr(self, name) for name in self.__slots__}, draft)
        draft.chmod(0o600)
        draft.replace(path)

    @classmethod
    def load(cls, path: Path, device: str) -> Checkpoint | None:
        """Read a checkpoint; None where the run ended before its first."""
        if not path.is_file():
            return None
        return cls(**torch.load(path, map_location=device, weights_only=True))


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
