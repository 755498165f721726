"""Several samples in one sequence, so that no forward pass spends its time on padding."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from training.data.tokens import Ints, Tokens

IGNORED = -1  # target where nothing is supervised
GRAIN = 64  # tokens: packed sequences for a GPU are padded to a multiple
_TENSORS = ("ids", "position_ids", "cu_seqlens", "loss_positions", "targets")


@dataclass(frozen=True, slots=True, kw_only=True)
class PackedSequence:
    """The samples of one forward pass, side by side.

    Three samples of 4, 2 and 3 tokens, of which those marked with `*` are supervised, padded to 12 tokens::

        sample          | A               | B       | C           | padding
        index           | 0   1   2   3   | 4   5   | 6   7   8   | 9   10  11
        ids             | a0  a1  a2* a3* | b0  b1* | c0  c1* c2* | 0   0   0
        position_ids    | 0   1   2   3   | 0   1   | 0   1   2   | 0   1   2
        cu_seqlens      | 0               | 4       | 6           | 9       12
        loss_positions  |     1   2       | 4       | 6   7       |
        targets         |     a2  a3      | b1      | c1  c2      |

    A token is predicted from the position before it, so `loss_positions` are the indices of the supervised tokens less
    one, and the first token of a sample is never supervised. Attention keeps samples apart by `position_ids`, which
    restart at 0, or by `cu_seqlens`, which ends with the end of the sequence. Padding is made of samples without
    supervised tokens, none longer than `max_seqlen`.

    Args:
        ids: Token ids; shape (1, tokens), int64.
        position_ids: Position of each token in its sample; shape (1, tokens), int64.
        cu_seqlens: Where samples begin, and the end; shape (samples + 1,), int32. It repeats the end where shapes must
            not change.
        max_seqlen: Tokens of the longest sample, or more where shapes must not change.
        loss_positions: Positions that predict a supervised token; shape (supervised,), int64.
        targets: The tokens that they should predict; shape (supervised,), int64; IGNORED where it is padded.
        useful_tokens: Tokens that are no padding.
    """

    ids: torch.Tensor
    position_ids: torch.Tensor
    cu_seqlens: torch.Tensor
    max_seqlen: int
    loss_positions: torch.Tensor
    targets: torch.Tensor
    useful_tokens: int

    def to(self, device: str) -> PackedSequence:
        """Return the sequence on a device.

        Args:
            device: `cuda` or `cpu`.
        """
        if device == "cpu":
            return self
        moved = {name: getattr(self, name).pin_memory().to(device, non_blocking=True) for name in _TENSORS}
        return PackedSequence(**moved, max_seqlen=self.max_seqlen, useful_tokens=self.useful_tokens)

    def copy_from(self, other: PackedSequence) -> None:
        """Overwrite the tensors, which lie on a GPU, with those of a sequence of the same shapes on the CPU.

        Args:
            other: The other sequence.
        """
        for name in _TENSORS:
            getattr(self, name).copy_(getattr(other, name).pin_memory(), non_blocking=True)


def round_up(tokens: int, grain: int = GRAIN) -> int:
    """Return the next multiple of a grain.

    Args:
        tokens: Any number.
        grain: What divides the result.
    """
    return -(-tokens // grain) * grain


def pack(tokens: Tokens, samples: Ints, *, pad_to: int | None = None, max_seqlen: int | None = None) -> PackedSequence:
    """Put samples side by side into one sequence.

    Args:
        tokens: All samples.
        samples: Indices of those to pack, in order; shape (samples,).
        pad_to: Fill up to this many tokens; None leaves the sequence as long as it is.
        max_seqlen: Longest sample of all sequences, tokens. Given with `pad_to`, `cu_seqlens` is filled up to a fixed
            number, too, so that its shape is the same for every sequence.

    Returns:
        The sequence, on the CPU.
    """
    spans = [slice(*tokens.offsets[index : index + 2]) for index in samples.tolist()]
    ids = np.concatenate([tokens.ids[span] for span in spans]).astype(np.int64)
    loss_mask = np.concatenate([tokens.loss_mask[span] for span in spans])
    lengths = tokens.lengths[samples]
    useful_tokens, longest = len(ids), max_seqlen or int(lengths.max())
    if pad_to is not None and useful_tokens < pad_to:
        filler = pad_to - useful_tokens
        ids, loss_mask = np.pad(ids, (0, filler)), np.pad(loss_mask, (0, filler))
        lengths = np.concatenate((lengths, np.full(filler // longest, longest), [filler % longest]))
        lengths = lengths[lengths > 0]
    starts = np.concatenate(([0], np.cumsum(lengths)))
    position_ids = np.arange(len(ids)) - np.repeat(starts[:-1], lengths)
    if pad_to is not None and max_seqlen is not None:
        starts = np.pad(starts, (0, max(0, pad_to // 8 + 1 - len(starts))), constant_values=starts[-1])
    supervised = np.flatnonzero(loss_mask)
    return PackedSequence(
        ids=torch.from_numpy(ids)[None],
        position_ids=torch.from_numpy(position_ids)[None],
        cu_seqlens=torch.from_numpy(starts.astype(np.int32)),
        max_seqlen=longest,
        loss_positions=torch.from_numpy(supervised - 1),
        targets=torch.from_numpy(ids[supervised]),
        useful_tokens=useful_tokens,
    )
