"""The place of an adapter on a base model: fill it, exchange what is in it, leave it out."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import torch

from training.config import LoraSettings
from training.model.base import attach_lora, map_mismatch, quiet_deprecations
from userbot.domain.errors import AdapterDamagedError


class AdapterSlot:
    """Holds at most one adapter on a base model.

    Args:
        base: A model without an adapter.
    """

    def __init__(self, base: Any) -> None:
        self._base = base
        self._adapted: Any = None  # peft's wrapper, from the first adapter on
        self._name: str | None = None
        self._count = 0

    @property
    def model(self) -> Any:
        """Return the model: the base as it was, or peft's wrapper of it once there was an adapter."""
        return self._base if self._adapted is None else self._adapted

    @property
    def is_active(self) -> bool:
        """Tell whether an adapter is in use."""
        return self._name is not None

    def activate(self, folder: Path, *, dtype: torch.dtype | None = None) -> None:
        """Load an adapter, switch to it, unload the one before. A failure keeps that one.

        Args:
            folder: Files of peft.
            dtype: Format to hold the adapter in; None keeps the file's.

        Raises:
            BaseMismatchError: It does not fit the base.
            AdapterDamagedError: It can't be read.
        """
        import peft

        self._count += 1
        name = f"adapter{self._count}"
        try:
            with quiet_deprecations(), map_mismatch(folder), map_damage(folder):
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
        """Write with the bare base from here on."""
        if self._adapted is not None:
            self._base = self._adapted.unload()
            self._adapted = self._name = None

    def make_trainable(self, lora: LoraSettings, *, seed: int) -> list[str]:
        """Prepare the adapter for training, a new one if there is none, in float32; return lines to show."""
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


@contextmanager
def map_damage(folder: Path) -> Iterator[None]:
    """Say which adapter can't be read.

    Raises:
        AdapterDamagedError: Instead of what safetensors and the file system raise.
    """
    from safetensors import SafetensorError

    try:
        yield
    except (SafetensorError, OSError) as exc:
        raise AdapterDamagedError(
            f"The adapter {folder.name} can't be read. Take another with `clone adapters use ID`, or train again."
        ) from exc
