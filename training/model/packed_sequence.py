"""Broadcast samples in one sequence: a forward pass of training."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from training.data.tokens import Ints, Tokens

IGNORED = -1  # target where nothing is learned


GRAIN = 64  # tokens: rows for a GPU are padded to a multiple


@dataclass(frozen=True, slots=True, kw_only=True)
class PackedSequence:
    """One forward pass.

    Args:
        ids: Shape (1, tokens).
        positions: Position of each token in its sample; shape (1, tokens).
        cu_seqlens: Where samples begin, and the end; shape (samples + 1,), repeating the end when padded.
        longest: Tokens of the longest sample, or more where shapes must not change.
        loss_positions: Positions that predict a supervised token; shape (learned,).
        targets: The tokens that they should predict; shape (learned,).
        useful: Tokens that are no padding.
    """

    ids: torch.Tensor
    positions: torch.Tensor
    cu_seqlens: torch.Tensor
    longest: int
    loss_positions: torch.Tensor
    targets: torch.Tensor
    useful: int

    def to(self, device: str) -> PackedSequence:
        """Return the row on a device."""
        if device == "cpu":
            return self
        names = ("ids", "positions", "cu_seqlens", "loss_positions", "targets")
        moved = {name: getattr(self, name).pin_memory().to(device, non_blocking=True) for name in names}
        return PackedSequence(**moved, longest=self.longest, useful=self.useful)


def round_up(tokens: int, grain: int = GRAIN) -> int:
    """Return the next multiple of a grain."""
    return -(-tokens // grain) * grain


def pack(tokens: Tokens, samples: Ints, *, pad_to: int | None = None, longest: int | None = None) -> PackedSequence:
    """Put samples into one row.

    Args:
        tokens: All samples.
        samples: Those of this row, in order.
        pad_to: Fill up to this many tokens with samples that are not learned; None leaves the row as long as it is.
        longest: Longest sample of all rows. Given with `pad_to`, the cu_seqlens are filled up to a fixed number, too,
            so that every shape is the same from row to row.
    """
    spans = [slice(*tokens.offsets[index : index + 2]) for index in samples.tolist()]
    ids = np.concatenate([tokens.ids[span] for span in spans]).astype(np.int64)
    loss_mask = np.concatenate([tokens.loss_mask[span] for span in spans])
    lengths = tokens.lengths[samples]
    useful, most = len(ids), longest or int(lengths.max())
    if pad_to is not None and useful < pad_to:
        filler = pad_to - useful
        ids, loss_mask = np.pad(ids, (0, filler)), np.pad(loss_mask, (0, filler))
        lengths = np.concatenate((lengths, np.full(filler // most, most), [filler % most]))
        lengths = lengths[lengths > 0]
    starts = np.concatenate(([0], np.cumsum(lengths)))
    positions = np.arange(len(ids)) - np.repeat(starts[:-1], lengths)
    if pad_to is not None and longest is not None:
        starts = np.pad(starts, (0, max(0, pad_to // 8 + 1 - len(starts))), constant_values=starts[-1])
    at = np.flatnonzero(loss_mask)
    return PackedSequence(
        ids=torch.from_numpy(ids)[None],
        positions=torch.from_numpy(positions)[None],
        cu_seqlens=torch.from_numpy(starts.astype(np.int32)),
        longest=most,
        loss_positions=torch.from_numpy(at - 1),
        targets=torch.from_numpy(ids[at]),
        useful=useful,
    )
