"""CUDA graphs for short packed sequences on a GPU: their kernels are captured once and replayed.

A thousand tokens keep an H200 busy for a third of the time that Python takes to start their kernels. A CUDA graph
starts them all at once. It fits sequences of one shape only, so they are padded to a multiple of some tokens. The
first sequence of all runs without one, because it makes the gradients that graphs add to.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch

from training.data.tokens import Ints, Tokens
from training.loop.loss import Scale, backward_pack
from training.model.causal_lm import CausalLM
from training.model.packed_sequence import IGNORED, PackedSequence, pack, round_up

MAX_GRAPH_TOKENS = 8192  # tokens; the graph of a longer sequence would hold too much memory
_SUPERVISED_GRAIN = 1024  # supervised tokens: padded to a multiple, so that shapes are few and so are wasted logits

_Shape = tuple[int, int, int]  # tokens, cu_seqlens, loss positions


@dataclass(frozen=True, slots=True, kw_only=True)
class _Captured:
    """A graph, the inputs that it reads, and the loss that it writes."""

    graph: torch.cuda.CUDAGraph
    packed: PackedSequence
    loss: torch.Tensor


class GraphedBackward:
    """Forward and backward passes that are replayed from CUDA graphs.

    Args:
        lm: The model, with fused layers; whatever else it does must not wait for the GPU.
        tokens: The training samples.
        scale: Turns a loss, already divided by the update's supervised tokens, into the one to differentiate.
        report: Takes a line where capturing fails, and passes run without graphs.
    """

    def __init__(self, lm: CausalLM, tokens: Tokens, *, scale: Scale, report: Callable[[str], None]) -> None:
        self._lm, self._tokens, self._scale, self._report = lm, tokens, scale, report
        self._works = True
        self._max_seqlen = int(tokens.lengths.max())
        self._loss_share = torch.ones((), device=lm.device)
        self._seen: set[_Shape] = set()
        self._captured: dict[_Shape, _Captured] = {}
        self._pool = torch.cuda.graph_pool_handle()

    def backward(self, samples: Ints, supervised: int) -> torch.Tensor:
        """Do what `backward_pack` does. Gradients must not be dropped between two calls, only set to 0.

        Args:
            samples: Indices of those that share the forward pass; shape (samples,).
            supervised: Supervised tokens of the update.

        Returns:
            The summed loss, nats, still on the device, overwritten by the next call; no dimensions.
        """
        packed = pack_for_graph(self._tokens, samples, max_seqlen=self._max_seqlen)
        self._loss_share.fill_(1 / supervised)
        shape = packed.ids.shape[1], len(packed.cu_seqlens), len(packed.targets)
        if shape not in self._captured:
            moved = packed.to(self._lm.device)
            if not (self._seen and self._works and self._capture(shape, moved)):
                self._seen.add(shape)
                return self._backward(moved)
        captured = self._captured[shape]
        captured.packed.copy_from(packed)
        captured.graph.replay()
        return captured.loss

    def clear(self) -> None:
        """Drop all graphs, because memory ran out or gradients were dropped."""
        self._captured.clear()
        self._seen.clear()

    def _backward(self, packed: PackedSequence) -> torch.Tensor:
        return backward_pack(self._lm, packed, scale=lambda loss: self._scale(loss * self._loss_share))

    def _capture(self, shape: _Shape, packed: PackedSequence) -> bool:
        graph = torch.cuda.CUDAGraph()
        torch.cuda.synchronize()
        torch.cuda.empty_cache()  # while it captures, nothing can be given back
        try:
            with torch.cuda.graph(graph, pool=self._pool):
                loss = self._backward(packed)
        except torch.OutOfMemoryError:
            raise
        except RuntimeError as exc:
            if shape not in self._seen:  # a kernel may have been loaded for it, which capturing does not bear
                return False
            self._works = False
            self._report(f"CUDA graphs: not used, because {str(exc).strip().splitlines()[0]}")
            return False
        self._captured[shape] = _Captured(graph=graph, packed=packed, loss=loss)
        return True


def pack_for_graph(tokens: Tokens, samples: Ints, *, max_seqlen: int) -> PackedSequence:
    """Pack samples into a sequence of one of few shapes; some of its targets are padding.

    Args:
        tokens: All samples.
        samples: Indices of those that share the forward pass; shape (samples,).
        max_seqlen: Longest sample of all sequences, tokens.

    Returns:
        The sequence, on the CPU.
    """
    useful_tokens = int(tokens.lengths[samples].sum())
    length = round_up(useful_tokens)
    packed = pack(tokens, samples, pad_to=length, max_seqlen=max_seqlen)
    cu_seqlens = np.unique(packed.cu_seqlens.numpy())
    step = max(8, length // 32)
    cu_seqlens = np.pad(cu_seqlens, (0, -len(cu_seqlens) % step), mode="edge")
    supervised = len(packed.targets)
    filler = min(length, round_up(supervised, _SUPERVISED_GRAIN)) - supervised
    return PackedSequence(
        ids=packed.ids,
        position_ids=packed.position_ids,
        cu_seqlens=torch.from_numpy(cu_seqlens),
        max_seqlen=packed.max_seqlen,
        loss_positions=torch.nn.functional.pad(packed.loss_positions, (0, filler)),
        targets=torch.nn.functional.pad(packed.targets, (0, filler), value=IGNORED),
        useful_tokens=useful_tokens,
    )
