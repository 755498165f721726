"""Samples as flat arrays of tokens, in memory or mapped from disk. numpy only."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]


class Encoded(Protocol):
    """A rendered sample."""

    @property
    def ids(self) -> Sequence[int]:
        """Return its tokens."""
        ...

    @property
    def learn(self) -> Sequence[int]:
        """Return, for each token, 1 where predicting it is learned, else 0."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Tokens:
    """All samples, one after the other, in arrays that may lie on disk.

    Args:
        ids: Tokens of all samples; shape (tokens,).
        learn: Whether a token is learned; shape (tokens,). The first token of a sample never is: nothing predicts it.
        offsets: Where each sample begins, and at last where the last one ends; shape (samples + 1,).
        chats: Chat of each sample; shape (samples,).
        characters: Characters of the learned text of each sample; shape (samples,).
    """

    ids: NDArray[np.int32]
    learn: NDArray[np.bool_]
    offsets: Ints
    chats: Ints
    characters: Ints

    def __len__(self) -> int:
        """Return the number of samples."""
        return len(self.chats)

    @property
    def lengths(self) -> Ints:
        """Return the tokens of each sample."""
        return np.diff(self.offsets)

    @property
    def learned(self) -> Ints:
        """Return the learned tokens of each sample."""
        sums = np.concatenate(([0], np.cumsum(self.learn)))
        found: Ints = sums[self.offsets[1:]] - sums[self.offsets[:-1]]
        return found

    def save(self, folder: Path) -> None:
        """Write one file an array."""
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        for name in self.__slots__:
            path = folder / f"{name}.npy"
            np.save(path, getattr(self, name))
            path.chmod(0o600)

    @classmethod
    def open(cls, folder: Path) -> Tokens:
        """Map the files that `save` wrote; nothing is read before it is needed."""
        # An empty array can't be mapped.
        return cls(**{name: np.load(folder / f"{name}.npy", mmap_mode="r") for name in cls.__slots__})


def flatten(
    samples: Iterable[Encoded],
    *,
    chats: Iterable[int] | None = None,
    count: Callable[[Sequence[int]], int] | None = None,
) -> Tokens:
    """Lay samples end to end.

    Args:
        samples: Rendered samples; those without a learned token are left out.
        chats: Chat id of each sample; 0 for all when left out.
        count: Tells how many characters some tokens are; none are counted when left out.
    """
    kept: list[tuple[NDArray[np.int32], NDArray[np.bool_], int]] = []
    for sample, chat in zip(samples, chats, strict=True) if chats is not None else ((sample, 0) for sample in samples):
        ids, learn = np.asarray(sample.ids, dtype=np.int32), np.array(sample.learn, dtype=np.bool_)
        learn[:1] = False
        if learn.any():
            kept.append((ids, learn, chat))
    return Tokens(
        ids=_join([ids for ids, _, _ in kept], np.int32),
        learn=_join([learn for _, learn, _ in kept], np.bool_),
        offsets=np.concatenate(([0], np.cumsum([len(ids) for ids, _, _ in kept]))).astype(np.int64),
        chats=np.array([chat for _, _, chat in kept], dtype=np.int64),
        characters=np.array([count(ids[learn].tolist()) if count else 0 for ids, learn, _ in kept], dtype=np.int64),
    )


def _join(parts: list[NDArray[Any]], dtype: type[np.generic]) -> NDArray[Any]:
    return np.concatenate(parts) if parts else np.zeros(0, dtype)
