"""Samples as flat arrays of tokens, in memory or mapped from disk. Needs numpy only."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Encoded:
    """A sample as the model reads it.

    Args:
        ids: Token ids; shape (tokens,).
        loss_mask: 1 where predicting the token is supervised (an owner turn's words and its end token), else 0; shape
            (tokens,).
    """

    ids: Sequence[int]
    loss_mask: Sequence[int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Tokens:
    """All samples, laid end to end in arrays that may be mapped from disk.

    Args:
        ids: Token ids of all samples; shape (tokens,).
        loss_mask: Whether a token is supervised; shape (tokens,). The first token of a sample never is: nothing
            predicts it.
        offsets: Index of each sample's first token, and finally the number of all tokens; shape (samples + 1,).
        chats: Chat id of each sample; shape (samples,).
        characters: Number of characters of each sample's supervised text; shape (samples,).
    """

    ids: NDArray[np.int32]
    loss_mask: NDArray[np.bool_]
    offsets: Ints
    chats: Ints
    characters: Ints

    def __len__(self) -> int:
        """Return the number of samples."""
        return len(self.chats)

    @property
    def lengths(self) -> Ints:
        """Return the number of tokens of each sample; shape (samples,)."""
        return np.diff(self.offsets)

    @property
    def supervised(self) -> Ints:
        """Return the number of supervised tokens of each sample; shape (samples,)."""
        sums = np.concatenate(([0], np.cumsum(self.loss_mask)))
        counts: Ints = sums[self.offsets[1:]] - sums[self.offsets[:-1]]
        return counts

    def save(self, folder: Path) -> None:
        """Write one private `.npy` file (0600) per array into a folder, made if missing."""
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        for name in self.__slots__:
            path = folder / f"{name}.npy"
            np.save(path, getattr(self, name))
            path.chmod(0o600)

    @classmethod
    def open(cls, folder: Path) -> Tokens:
        """Map the files that `save` wrote; nothing is read before it is needed.

        Raises:
            FileNotFoundError: The folder lacks one of them.
        """
        return cls(**{name: np.load(_find_array(folder, name), mmap_mode="r") for name in cls.__slots__})


def _find_array(folder: Path, name: str) -> Path:
    # An earlier version wrote the mask as learn.npy; an interrupted run of it may be resumed.
    former = folder / "learn.npy"
    return former if name == "loss_mask" and former.is_file() else folder / f"{name}.npy"


def flatten(
    samples: Iterable[Encoded],
    *,
    chats: Iterable[int] | None = None,
    count: Callable[[Sequence[int]], int] | None = None,
) -> Tokens:
    """Lay samples end to end.

    Args:
        samples: Rendered samples; those without a supervised token are left out.
        chats: Chat id of each sample; 0 for all when left out.
        count: Returns the number of characters that token ids stand for; all counts are 0 when left out.

    Returns:
        The arrays. The first token of a sample is never supervised, whatever its mask says.

    Raises:
        ValueError: `chats` and `samples` differ in length.
    """
    kept: list[tuple[NDArray[np.int32], NDArray[np.bool_], int]] = []
    for sample, chat in zip(samples, chats, strict=True) if chats is not None else ((sample, 0) for sample in samples):
        ids, loss_mask = np.asarray(sample.ids, dtype=np.int32), np.array(sample.loss_mask, dtype=np.bool_)
        loss_mask[:1] = False
        if loss_mask.any():
            kept.append((ids, loss_mask, chat))
    return Tokens(
        ids=_join([ids for ids, _, _ in kept], np.int32),
        loss_mask=_join([loss_mask for _, loss_mask, _ in kept], np.bool_),
        offsets=np.concatenate(([0], np.cumsum([len(ids) for ids, _, _ in kept]))).astype(np.int64),
        chats=np.array([chat for _, _, chat in kept], dtype=np.int64),
        characters=np.array(
            [count(ids[loss_mask].tolist()) if count else 0 for ids, loss_mask, _ in kept], dtype=np.int64
        ),
    )


def _join(parts: list[NDArray[Any]], dtype: type[np.generic]) -> NDArray[Any]:
    return np.concatenate(parts) if parts else np.zeros(0, dtype)
