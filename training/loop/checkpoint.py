"""Checkpoints: what a run needs to continue where it was; `userbot.store.runs` shows the folder around them."""

from __future__ import annotations

import os
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import torch

from training.config import FORMER_FIELDS


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkpoint:
    """Where a run stands after some updates. Random generators are seeded per step, so their state is not kept.

    Args:
        step: Updates done.
        weights: Trained tensors by parameter name.
        optimizer: State of the optimiser.
        scaler: State of the gradient scaler; empty without one.
        max_pack_tokens: Tokens of a forward pass, which running out of memory may have changed.
        checkpointing: Whether activations are recomputed.
        tokens: Useful tokens trained on so far.
    """

    step: int
    weights: dict[str, torch.Tensor]
    optimizer: dict[str, Any]
    scaler: dict[str, Any]
    max_pack_tokens: int
    checkpointing: bool
    tokens: int

    def save(self, path: Path) -> None:
        """Write the file whole, or leave the old one.

        Args:
            path: The file.
        """
        draft = path.with_name(f".{path.name}.{os.getpid()}")
        torch.save({each.name: getattr(self, each.name) for each in fields(self)}, draft)
        draft.chmod(0o600)
        draft.replace(path)

    @classmethod
    def load(cls, path: Path, device: str) -> Checkpoint | None:
        """Read a checkpoint of this version or of one before.

        Args:
            path: The file.
            device: Where its tensors go: `cuda` or `cpu`.

        Returns:
            The checkpoint; None where the run ended before its first.
        """
        if not path.is_file():
            return None
        values: dict[str, Any] = torch.load(path, map_location=device, weights_only=True)
        return cls(**{FORMER_FIELDS.get(key, key): value for key, value in values.items()})
