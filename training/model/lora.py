"""The adapter on a base model: a new one, or one that training continues from."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch

from training.config import LoraSettings
from training.model.base import quiet_deprecations
from userbot.domain.errors import BaseMismatchError


def attach_lora(model: Any, lora: LoraSettings, *, seed: int, parent: Path | None = None) -> tuple[Any, list[str]]:
    """Put a trainable adapter on a base model; its weights are float32.

    Args:
        model: From `load_base`.
        lora: Shape of a new adapter.
        seed: Of its first weights.
        parent: An adapter folder to continue from, with its own shape.

    Returns:
        The model with the adapter, and lines to show.

    Raises:
        BaseMismatchError: The parent does not fit on this base.
    """
    import peft

    with quiet_deprecations():
        if parent is not None:
            with map_mismatch(parent):
                return peft.PeftModel.from_pretrained(model, parent, is_trainable=True), []
        targets, notes = find_targets(model, lora.targets)
        config = peft.LoraConfig(
            r=lora.r,
            lora_alpha=lora.alpha,
            lora_dropout=lora.dropout,
            bias="none",
            task_type="CAUSAL_LM",
            target_modules=targets,
        )
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            return peft.get_peft_model(model, config), notes


def find_targets(model: torch.nn.Module, requested: tuple[str, ...]) -> tuple[list[str] | str, list[str]]:
    """Return which layers get an adapter.

    Args:
        model: A base model.
        requested: Names of linear layers, without what stands before the last dot.

    Returns:
        The requested names that the model has, or `all-linear` where it has none of them; and lines to show.
    """
    names = {name.rpartition(".")[2] for name, _ in model.named_modules()}
    targets = [name for name in requested if name in names]
    missing = ", ".join(name for name in requested if name not in names)
    if not targets:
        return "all-linear", [f"adapter: this model has no {missing}, so all its linear layers are adapted"]
    return targets, [f"adapter: this model has no {missing}; the other targets are adapted"] if missing else []


@contextmanager
def map_mismatch(folder: Path) -> Iterator[None]:
    """Say which adapter does not fit when its weights have other shapes or names than the base.

    Args:
        folder: The adapter's folder.

    Raises:
        BaseMismatchError: Instead of what peft and torch raise.
    """
    try:
        yield
    except (RuntimeError, ValueError, KeyError) as exc:
        raise BaseMismatchError(
            f"The adapter {folder.name} does not fit the loaded base model. Load the base it was trained on "
            f"(`clone adapters show {folder.name}` names it), or train again."
        ) from exc
