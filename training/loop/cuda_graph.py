"""Short rows on a GPU: the kernels of a row are graphed once and played again.

A row of a thousand tokens keeps an H200 busy for a third of the time that Python takes to start its kernels. A
recording (a CUDA graph) starts them all at once. It only fits rows of one shape, so rows are padded to a multiple of
some tokens. The first row of all runs unrecorded, because it makes the gradients that recordings add to.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch

from training.data.tokens import Ints, Tokens
from training.loop.loss import backward_pack
from training.model.causal_lm import CausalLM
from training.model.packed_sequence import IGNORED, PackedSequence, pack, round_up

MAX_GRAPH_TOKENS = 8192  # tokens; a recording of a longer row would hold too much memory
_SUPERVISED_GRAIN = 1024  # supervised tokens: the same, so that logits of nothing are few and shapes are, too


_Shape = tuple[int, int, int]  # tokens, cu_seqlens, positions that predict


@dataclass(frozen=True, slots=True, kw_only=True)
class _Recording:
    graph: torch.cuda.CUDAGraph
    row: PackedSequence
    loss: torch.Tensor


class GraphedBackward:
    """Learns rows from recordings.

    Args:
        lm: The model, with fused layers; whatever else it does must not wait for the GPU.
        tokens: The training samples.
        scale: Turns a loss, already divided by the update's supervised tokens, into the one to differentiate.
        tell: Takes a line where recording fails, and rows are learned without.
    """

    def __init__(
        self,
        lm: CausalLM,
        tokens: Tokens,
        *,
        scale: Callable[[torch.Tensor], torch.Tensor],
        tell: Callable[[str], None],
    ) -> None:
        self._lm, self._tokens, self._scale, self._tell = lm, tokens, scale, tell
        self._works = True
        self._longest = int(tokens.lengths.max())
        self._share = torch.ones((), device=lm.device)
        self._seen: set[_Shape] = set()
        self._recordings: dict[_Shape, _Recording] = {}
        self._pool = torch.cuda.graph_pool_handle()

    def learn(self, samples: Ints, supervised: int) -> torch.Tensor:
        """Do what `backward_pack` does. Gradients must not be dropped between two calls, only set to 0.

        Args:
            samples: Of the row.
            learned: Learned tokens of the update.
        """
        row = self.fit(samples)
        self._share.fill_(1 / supervised)
        key = row.ids.shape[1], len(row.cu_seqlens), len(row.targets)
        if key not in self._recordings:
            placed = row.to(self._lm.device)
            if not (self._seen and self._works and self._record(key, placed)):
                self._seen.add(key)
                return self._learn(placed)
        found = self._recordings[key]
        for name in ("ids", "positions", "cu_seqlens", "loss_positions", "targets"):
            getattr(found.row, name).copy_(getattr(row, name).pin_memory(), non_blocking=True)
        found.graph.replay()
        return found.loss

    def clear(self) -> None:
        """Forget everything, because memory ran out or gradients were dropped."""
        self._recordings.clear()
        self._seen.clear()

    def fit(self, samples: Ints) -> PackedSequence:
        """Return a row of one of few shapes, on the CPU; more of its positions predict than learn."""
        useful = int(self._tokens.lengths[samples].sum())
        tokens = round_up(useful)
        row = pack(self._tokens, samples, pad_to=tokens, longest=self._longest)
        cu_seqlens = np.unique(row.cu_seqlens.numpy())
        step = max(8, tokens // 32)
        cu_seqlens = np.pad(cu_seqlens, (0, -len(cu_seqlens) % step), mode="edge")
        supervised = len(row.targets)
        filler = min(tokens, round_up(supervised, _SUPERVISED_GRAIN)) - supervised
        return PackedSequence(
            ids=row.ids,
            positions=row.positions,
            cu_seqlens=torch.from_numpy(cu_seqlens),
            longest=row.longest,
            loss_positions=torch.nn.functional.pad(row.loss_positions, (0, filler)),
            targets=torch.nn.functional.pad(row.targets, (0, filler), value=IGNORED),
            useful=useful,
        )

    def _learn(self, row: PackedSequence) -> torch.Tensor:
        return backward_pack(self._lm, row, scale=lambda loss: self._scale(loss * self._share))

    def _record(self, key: _Shape, row: PackedSequence) -> bool:
        graph = torch.cuda.CUDAGraph()
        torch.cuda.synchronize()
        torch.cuda.empty_cache()  # while it records, nothing can be given back
        try:
            with torch.cuda.graph(graph, pool=self._pool):
                loss = self._learn(row)
        except torch.OutOfMemoryError:
            raise
        except RuntimeError as exc:
            if key not in self._seen:  # a kernel may have been loaded for it, which a recording does not bear
                return False
            self._works = False
            self._tell(f"short rows: not graphed, because {str(exc).strip().splitlines()[0]}")
            return False
        self._recordings[key] = _Recording(graph=graph, row=row, loss=loss)
        return True
