"""The processes that train together: one today."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import torch


class Team(Protocol):
    """The processes that train together. Each runs its share of an update's rows."""

    @property
    def rank(self) -> int:
        """Return the number of this process, from 0."""
        ...

    @property
    def size(self) -> int:
        """Return how many there are."""
        ...

    def sum_gradients(self, parameters: Sequence[torch.nn.Parameter]) -> None:
        """Replace each gradient by its sum over all processes."""
        ...

    def sum(self, value: torch.Tensor) -> torch.Tensor:
        """Return the sum of a value over all processes."""
        ...


class Alone:
    """A team of one."""

    rank = 0
    size = 1

    def sum_gradients(self, parameters: Sequence[torch.nn.Parameter]) -> None:
        """Leave the gradients as they are."""

    def sum(self, value: torch.Tensor) -> torch.Tensor:
        """Return the value."""
        return value
