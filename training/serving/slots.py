"""Slots: the places of a static key-value cache, each of which keeps what a chat's prompt left there.

A chat that comes back finds most of its prompt in the slot that served it last, so only what is new is read. Slots are
found by their tokens alone: candidates of one prompt, and prompts that begin alike, share what they have in common.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import torch

_OWN_SHARE = 0.5  # of a slot's tokens that a prompt must continue for the slot to be its chat's
_LEAST_COPY = 16  # tokens below which copying a beginning is not worth starting a kernel


@dataclass(frozen=True, slots=True, kw_only=True)
class KvCache:
    """Keys and values of all slots.

    Args:
        keys: Shape (layers, slots, kv_heads, capacity, head width).
        values: Like `keys`.
    """

    keys: torch.Tensor
    values: torch.Tensor

    @classmethod
    def allocate(
        cls,
        *,
        layers: int,
        slots: int,
        kv_heads: int,
        capacity: int,
        width: int,
        dtype: torch.dtype,
        device: torch.device,
    ) -> KvCache:
        """Return an empty cache.

        Args:
            layers: Decoder layers.
            slots: Chats that it holds.
            kv_heads: Heads of keys, and of values.
            capacity: Tokens of a slot.
            width: Numbers of a head.
            dtype: Their format.
            device: Where it lies.
        """
        keys, values = (
            torch.zeros(layers, slots, kv_heads, capacity, width, dtype=dtype, device=device) for _ in range(2)
        )
        return cls(keys=keys, values=values)

    def copy(self, source: int, target: int, *, tokens: int) -> None:
        """Copy the beginning of a slot to another.

        Args:
            source: Slot to copy from.
            target: Slot to write.
            tokens: How many.
        """
        for states in (self.keys, self.values):
            states[:, target, :, :tokens] = states[:, source, :, :tokens]


@dataclass(slots=True)
class _Slot:
    tokens: list[int] = field(default_factory=list)  # those whose keys and values lie there
    busy: bool = False
    used: int = 0  # when it was last released


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where a prompt is read.

    Args:
        slot: Its slot.
        kept: Tokens of it that need not be read again.
        source: Slot that they are first to be copied from; None where they are in place.
    """

    slot: int
    kept: int
    source: int | None


class Slots:
    """Which slot holds which tokens. The least recently used one is given to a new chat.

    Args:
        count: How many there are.
    """

    def __init__(self, count: int) -> None:
        self._slots = [_Slot() for _ in range(count)]
        self._clock = 0

    @property
    def free(self) -> int:
        """Return how many are not busy."""
        return sum(not slot.busy for slot in self._slots)

    def acquire(self, prompt: Sequence[int]) -> Place:
        """Take a slot for a prompt. At least its last token is read, since what it predicts is wanted.

        Args:
            prompt: Token ids.

        Raises:
            LookupError: All slots are busy.
        """
        idle = [number for number, slot in enumerate(self._slots) if not slot.busy]
        if not idle:
            raise LookupError("all slots are busy")
        shared = [count_shared(slot.tokens, prompt[:-1]) for slot in self._slots]
        best = max(range(len(shared)), key=lambda number: (shared[number], not self._slots[number].busy))
        held = self._slots[best]
        if not held.busy and shared[best] and shared[best] >= _OWN_SHARE * len(held.tokens):
            return self._take(best, kept=shared[best])
        # Nobody comes back to an empty slot, and last to the one used longest ago.
        victim = min(idle, key=lambda number: (bool(self._slots[number].tokens), self._slots[number].used))
        if shared[victim] >= shared[best]:
            return self._take(victim, kept=shared[victim])
        if shared[best] < _LEAST_COPY:
            return self._take(victim, kept=0)
        return self._take(victim, kept=shared[best], source=best)

    def extend(self, slot: int, tokens: Sequence[int]) -> None:
        """Note tokens whose keys and values were written after those that the slot holds.

        Args:
            slot: A busy slot.
            tokens: Token ids.
        """
        self._slots[slot].tokens.extend(tokens)

    def release(self, slot: int) -> None:
        """Give a slot back; what it holds stays for whoever begins alike.

        Args:
            slot: A busy slot.
        """
        self._clock += 1
        self._slots[slot].busy, self._slots[slot].used = False, self._clock

    def clear(self) -> None:
        """Forget what all slots hold, because other weights would have written something else."""
        for slot in self._slots:
            slot.tokens.clear()

    def _take(self, number: int, *, kept: int, source: int | None = None) -> Place:
        slot = self._slots[number]
        slot.tokens = (self._slots[source].tokens if source is not None else slot.tokens)[:kept]
        slot.busy = True
        return Place(slot=number, kept=kept, source=source)


def count_shared(tokens: Sequence[int], prompt: Sequence[int]) -> int:
    """Return how many tokens two lists have in common at their beginning.

    Args:
        tokens: One.
        prompt: The other.
    """
    for index, (token, other) in enumerate(zip(tokens, prompt, strict=False)):
        if token != other:
            return index
    return min(len(tokens), len(prompt))
