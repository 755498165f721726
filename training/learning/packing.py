"""Samples as flat arrays of tokens, and rows packed from them.

A row is several samples in one sequence. Their positions restart, and attention keeps them apart, so a row's loss is
the sum of its samples' losses.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray

Ints = NDArray[np.int64]

IGNORED = -1  # target where nothing is learned
GRAIN = 64  # tokens: rows for a GPU are padded to a multiple
_CHOICE = 128  # longest and as many shortest samples that a row is filled from, so that long lists take no long time
_OPEN = 8  # updates that are filled at the same time: enough to leave no gaps, too few to sort samples by length


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


def plan_updates(
    lengths: Ints, *, batch_tokens: int, batch_samples: int | None = None, rng: np.random.Generator
) -> list[Ints]:
    """Share all samples out to updates, in random order.

    Args:
        lengths: Tokens of each sample.
        batch_tokens: Most tokens of one update; a longer sample makes an update of its own.
        batch_samples: Most samples of one update.
        rng: Source of the order.

    Returns:
        Indices of samples, one array an update.
    """
    most = batch_samples or len(lengths)
    done: list[list[int]] = []
    filling: list[tuple[list[int], int]] = []
    for index in rng.permutation(len(lengths)).tolist():
        length = int(lengths[index])
        for place, (samples, used) in enumerate(filling):
            if used + length <= batch_tokens:
                samples.append(index)
                filling[place] = (samples, used + length)
                if len(samples) == most:
                    done.append(filling.pop(place)[0])
                break
        else:
            filling.append(([index], length))
            if len(filling) > _OPEN or most == 1:
                done.append(filling.pop(0)[0])
    done += [samples for samples, _ in filling]
    return [np.array(samples, dtype=np.int64) for samples in done]


def fit_rows(lengths: Ints, samples: Ints, *, row_tokens: int) -> list[Ints]:
    """Pack samples into rows, each as full as the samples left can make it.

    A last row of a few tokens costs nearly what a full one does where weights are unpacked or kernels started for it.

    Args:
        lengths: Tokens of every sample there is.
        samples: Those to pack.
        row_tokens: Tokens that fit into a row; a longer sample gets a row of its own.
    """
    left = samples[np.argsort(-lengths[samples], kind="stable")]
    rows: list[Ints] = []
    while len(left):
        choice = np.arange(len(left))
        if len(left) > 2 * _CHOICE:
            choice = np.concatenate((choice[:_CHOICE], choice[-_CHOICE:]))
        sizes = lengths[left[choice]].tolist()
        taken = choice[_fill(sizes, row_tokens) if sizes[0] < row_tokens else [0]]
        rows.append(left[taken])
        left = np.delete(left, taken)
    return rows


def _fill(sizes: list[int], room: int) -> list[int]:
    """Return which sizes add up to as much as fits, earlier ones rather than later ones."""
    sums = [1]  # bit n: some of the sizes so far add up to n
    for size in sizes:
        sums.append((sums[-1] | sums[-1] << size) & (2 << room) - 1)
    total = sums[-1].bit_length() - 1
    taken = []
    for index in reversed(range(len(sizes))):
        if not sums[index] >> total & 1:
            taken.append(index)
            total -= sizes[index]
    return taken[::-1]


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One forward pass.

    Args:
        ids: Shape (1, tokens).
        positions: Position of each token in its sample; shape (1, tokens).
        borders: Where samples begin, and the end; shape (samples + 1,), repeating the end when padded.
        longest: Tokens of the longest sample, or more where shapes must not change.
        hidden_at: Positions that predict a learned token; shape (learned,).
        targets: The tokens that they should predict; shape (learned,).
        useful: Tokens that are no padding.
    """

    ids: torch.Tensor
    positions: torch.Tensor
    borders: torch.Tensor
    longest: int
    hidden_at: torch.Tensor
    targets: torch.Tensor
    useful: int

    def to(self, device: str) -> Row:
        """Return the row on a device."""
        if device == "cpu":
            return self
        names = ("ids", "positions", "borders", "hidden_at", "targets")
        moved = {name: getattr(self, name).pin_memory().to(device, non_blocking=True) for name in names}
        return Row(**moved, longest=self.longest, useful=self.useful)


def round_up(tokens: int, grain: int = GRAIN) -> int:
    """Return the next multiple of a grain."""
    return -(-tokens // grain) * grain


def make_row(tokens: Tokens, samples: Ints, *, pad_to: int | None = None, longest: int | None = None) -> Row:
    """Put samples into one row.

    Args:
        tokens: All samples.
        samples: Those of this row, in order.
        pad_to: Fill up to this many tokens with samples that are not learned; None leaves the row as long as it is.
        longest: Longest sample of all rows. Given with `pad_to`, the borders are filled up to a fixed number, too, so
            that every shape is the same from row to row.
    """
    spans = [slice(*tokens.offsets[index : index + 2]) for index in samples.tolist()]
    ids = np.concatenate([tokens.ids[span] for span in spans]).astype(np.int64)
    learn = np.concatenate([tokens.learn[span] for span in spans])
    lengths = tokens.lengths[samples]
    useful, most = len(ids), longest or int(lengths.max())
    if pad_to is not None and useful < pad_to:
        filler = pad_to - useful
        ids, learn = np.pad(ids, (0, filler)), np.pad(learn, (0, filler))
        lengths = np.concatenate((lengths, np.full(filler // most, most), [filler % most]))
        lengths = lengths[lengths > 0]
    starts = np.concatenate(([0], np.cumsum(lengths)))
    positions = np.arange(len(ids)) - np.repeat(starts[:-1], lengths)
    if pad_to is not None and longest is not None:
        starts = np.pad(starts, (0, max(0, pad_to // 8 + 1 - len(starts))), constant_values=starts[-1])
    at = np.flatnonzero(learn)
    return Row(
        ids=torch.from_numpy(ids)[None],
        positions=torch.from_numpy(positions)[None],
        borders=torch.from_numpy(starts.astype(np.int32)),
        longest=most,
        hidden_at=torch.from_numpy(at - 1),
        targets=torch.from_numpy(ids[at]),
        useful=useful,
    )
