"""Adapter slot: the place of an adapter on a base model, where one is activated, exchanged or deactivated."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import torch

from training.config import LoraSettings
from training.model.base import quiet_deprecations
from training.model.lora import attach_lora, map_mismatch
from userbot.domain.errors import AdapterDamagedError

_CONFIG = "adapter_config.json"
_WEIGHTS = ("adapter_model.safetensors", "adapter_model.bin")  # older versions of peft wrote the latter


class AdapterSlot:
    """Holds at most one adapter on a base model.

    Args:
        base: Model of transformers without an adapter.
    """

    def __init__(self, base: Any) -> None:
        self._base = base
        self._adapted: Any = None  # peft's wrapper, from the first adapter on
        self._name: str | None = None
        self._count = 0

    @property
    def model(self) -> Any:
        """Return the base model itself, or peft's wrapper of it while an adapter is active."""
        return self._base if self._adapted is None else self._adapted

    @property
    def is_active(self) -> bool:
        """Tell whether an adapter is active."""
        return self._name is not None

    @property
    def rank(self) -> int:
        """Return the largest rank of the active adapter's matrices; 0 without one."""
        if self._adapted is None:
            return 0
        return max((len(value) for name, value in self._adapted.named_parameters() if ".lora_A." in name), default=0)

    def activate(self, folder: Path, *, dtype: torch.dtype | None = None) -> None:
        """Load an adapter, switch to it and unload the one before. A failure keeps that one active.

        Args:
            folder: Folder that peft saved an adapter to.
            dtype: Format that the adapter's weights are kept in; None keeps that of the file.

        Raises:
            BaseMismatchError: It does not fit the base.
            AdapterDamagedError: Its files are missing or can't be read.
        """
        import peft

        self._count += 1
        name = f"adapter{self._count}"
        try:
            with quiet_deprecations(), map_mismatch(folder), map_damage(folder):
                _require_files(folder)
                if self._adapted is None:
                    config = peft.PeftConfig.from_pretrained(folder)
                    config.inference_mode = True
                    self._adapted = peft.PeftModel(self._base, config, adapter_name=name)
                self._adapted.load_adapter(str(folder), adapter_name=name)
                self._adapted.set_adapter(name)
        except BaseException:
            self._drop(name)
            raise
        old, self._name = self._name, name
        if old is not None:
            self._adapted.delete_adapter(old)
        for parameter in self._parameters() if dtype is not None else ():
            parameter.data = parameter.data.to(dtype)
        self._adapted.requires_grad_(False).eval()

    def deactivate(self) -> None:
        """Unload the adapter, so that the bare base generates from now on; does nothing without one."""
        if self._adapted is not None:
            self._base = self._adapted.unload()
            self._adapted = self._name = None

    def make_trainable(self, lora: LoraSettings, *, seed: int) -> list[str]:
        """Prepare the active adapter for training, in float32; without one, make a new one first.

        Args:
            lora: Rank, targets and dropout of a new adapter.
            seed: Seed of a new adapter's weights.

        Returns:
            Notes for the owner.
        """
        notes: list[str] = []
        if self._adapted is None:
            self._adapted, notes = attach_lora(self._base, lora, seed=seed)
            self._name = "default"
        for parameter in self._parameters():
            parameter.data = parameter.data.float()
            parameter.requires_grad_(True)
        return notes

    def _parameters(self) -> Iterator[torch.nn.Parameter]:
        for name, parameter in self._adapted.named_parameters():
            if f".{self._name}." in name:
                yield parameter

    def _drop(self, name: str) -> None:
        if self._name is None:
            self.deactivate()
            return
        with suppress(ValueError, KeyError):
            self._adapted.delete_adapter(name)
        self._adapted.set_adapter(self._name)
        self._adapted.requires_grad_(False).eval()


def _require_files(folder: Path) -> None:
    # peft takes a folder that lacks them for the name of a repository, and asks the hub.
    if not (folder / _CONFIG).is_file() or not any((folder / name).is_file() for name in _WEIGHTS):
        raise FileNotFoundError(folder)


@contextmanager
def map_damage(folder: Path) -> Iterator[None]:
    """Map the errors of reading an adapter's files to one that names the adapter.

    Args:
        folder: Folder of the adapter; its name is the adapter's id.

    Raises:
        AdapterDamagedError: Instead of what safetensors and the file system raise.
    """
    from safetensors import SafetensorError

    try:
        yield
    except (SafetensorError, OSError) as exc:
        raise AdapterDamagedError(
            f"The adapter {folder.name} can't be read. Activate another with `clone adapters use ID`, or train again."
        ) from exc
