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

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkpoint:
    """Where a run stands after some updates. The generators of random numbers are seeded by step, so need no place.

    Args:
        step: Updates done.
        weights: Trained tensors by parameter name.
        optimizer: State of the optimiser.
        scaler: State of the gradient scaler; empty without one.
        max_pack_tokens: Tokens of a row, which running out of memory may have changed.
        checkpointing: Whether activations are recomputed.
        tokens: Useful tokens read so far.
    """

    step: int
    weights: dict[str, torch.Tensor]
    optimizer: dict[str, Any]
    scaler: dict[str, Any]
    max_pack_tokens: int
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
