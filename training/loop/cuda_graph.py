"""Short rows on a GPU: the kernels of a row are recorded once and played again.

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
from training.loop.loss import learn_row
from training.model.causal_lm import Reader
from training.model.packed_sequence import IGNORED, Row, make_row, round_up

LONGEST_ROW = 8192  # tokens; a recording of a longer row would hold too much memory
_LEARNED_GRAIN = 1024  # learned tokens: the same, so that logits of nothing are few and shapes are, too


_Shape = tuple[int, int, int]  # tokens, borders, positions that predict


@dataclass(frozen=True, slots=True, kw_only=True)
class _Recording:
    graph: torch.cuda.CUDAGraph
    row: Row
    loss: torch.Tensor


class RowRecorder:
    """Learns rows from recordings.

    Args:
        reader: The model, with fused layers; whatever else it does must not wait for the GPU.
        tokens: The training samples.
        scale: Turns a loss, already divided by the update's learned tokens, into the one to differentiate.
        tell: Takes a line where recording fails, and rows are learned without.
    """

    def __init__(
        self,
        reader: Reader,
        tokens: Tokens,
        *,
        scale: Callable[[torch.Tensor], torch.Tensor],
        tell: Callable[[str], None],
    ) -> None:
        self._reader, self._tokens, self._scale, self._tell = reader, tokens, scale, tell
        self._works = True
        self._longest = int(tokens.lengths.max())
        self._share = torch.ones((), device=reader.device)
        self._seen: set[_Shape] = set()
        self._recordings: dict[_Shape, _Recording] = {}
        self._pool = torch.cuda.graph_pool_handle()

    def learn(self, samples: Ints, learned: int) -> torch.Tensor:
        """Do what `learn_row` does. Gradients must not be dropped between two calls, only set to 0.

        Args:
            samples: Of the row.
            learned: Learned tokens of the update.
        """
        row = self.fit(samples)
        self._share.fill_(1 / learned)
        key = row.ids.shape[1], len(row.borders), len(row.targets)
        if key not in self._recordings:
            placed = row.to(self._reader.device)
            if not (self._seen and self._works and self._record(key, placed)):
                self._seen.add(key)
                return self._learn(placed)
        found = self._recordings[key]
        for name in ("ids", "positions", "borders", "hidden_at", "targets"):
            getattr(found.row, name).copy_(getattr(row, name).pin_memory(), non_blocking=True)
        found.graph.replay()
        return found.loss

    def clear(self) -> None:
        """Forget everything, because memory ran out or gradients were dropped."""
        self._recordings.clear()
        self._seen.clear()

    def fit(self, samples: Ints) -> Row:
        """Return a row of one of few shapes, on the CPU; more of its positions predict than learn."""
        useful = int(self._tokens.lengths[samples].sum())
        tokens = round_up(useful)
        row = make_row(self._tokens, samples, pad_to=tokens, longest=self._longest)
        borders = np.unique(row.borders.numpy())
        step = max(8, tokens // 32)
        borders = np.pad(borders, (0, -len(borders) % step), mode="edge")
        learned = len(row.targets)
        filler = min(tokens, round_up(learned, _LEARNED_GRAIN)) - learned
        return Row(
            ids=row.ids,
            positions=row.positions,
            borders=torch.from_numpy(borders),
            longest=row.longest,
            hidden_at=torch.nn.functional.pad(row.hidden_at, (0, filler)),
            targets=torch.nn.functional.pad(row.targets, (0, filler), value=IGNORED),
            useful=useful,
        )

    def _learn(self, row: Row) -> torch.Tensor:
        return learn_row(self._reader, row, scale=lambda loss: self._scale(loss * self._share))

    def _record(self, key: _Shape, row: Row) -> bool:
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
            self._tell(f"short rows: not recorded, because {str(exc).strip().splitlines()[0]}")
            return False
        self._recordings[key] = _Recording(graph=graph, row=row, loss=loss)
        return True
