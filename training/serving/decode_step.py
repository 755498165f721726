"""One decode step: the next token of each reply that is under way, recorded as one CUDA graph for each batch size.

All that changes from step to step lies in buffers on the device, and the step itself advances them: a step's tokens are
the next one's input, so the next can start before Python has looked at them. Only when a reply joins or leaves are the
buffers written anew.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass

import torch

from training.fast.dispatch import run_operation
from training.kernels.sample_tokens import sample_tokens
from training.serving.decoder import Decoder, NewTokens
from training.serving.slots import KvCache

log = logging.getLogger(__name__)

PADDING = -1
"""Slot of a row that stands for no reply."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RowState:
    """A reply under way, as the device sees it.

    Args:
        slot: Where its keys and values are.
        token: Its newest token, which is not in the slot yet.
        position: Where that token will be.
        step: How many tokens of the reply there are.
        temperature: As in `Sampling`.
        top_p: The same.
        penalty: Repetition penalty.
    """

    slot: int
    token: int
    position: int
    step: int
    temperature: float
    top_p: float
    penalty: float


_NO_ROW = RowState(slot=PADDING, token=0, position=0, step=0, temperature=0.0, top_p=1.0, penalty=1.0)


class Pending:
    """Tokens of a step that may not be there yet.

    Args:
        tokens: On the device; shape (rows,), int64.
    """

    def __init__(self, tokens: torch.Tensor) -> None:
        self._event: torch.cuda.Event | None = None
        self._tokens = tokens
        if tokens.is_cuda:
            self._tokens = torch.empty(tokens.shape, dtype=tokens.dtype, pin_memory=True)
            self._tokens.copy_(tokens, non_blocking=True)
            self._event = torch.cuda.Event()  # type: ignore[no-untyped-call]  # torch leaves it so
            self._event.record()

    def read(self) -> list[int]:
        """Wait for the step, and return its tokens."""
        if self._event is not None:
            self._event.synchronize()
        tokens: list[int] = self._tokens.tolist()
        return tokens


class DecodeStep:
    """The step, and the buffers that it reads and advances.

    Args:
        decoder: The model.
        cache: Its cache.
        slots: Slots of the cache.
        sizes: Batch sizes that graphs are recorded for, ascending; the last is the most replies at once.
        max_new_tokens: Longest reply, tokens.
        graphs: Record CUDA graphs.
    """

    def __init__(
        self,
        decoder: Decoder,
        cache: KvCache,
        *,
        slots: int,
        sizes: Sequence[int],
        max_new_tokens: int,
        graphs: bool,
    ) -> None:
        self._decoder, self._cache, self._slots, self._sizes = decoder, cache, slots, tuple(sizes)
        device, rows = decoder.device, sizes[-1]
        self._ids = torch.zeros(rows, dtype=torch.int64, device=device)
        self._integers = torch.zeros(3, rows, dtype=torch.int32, device=device)  # slots, positions, steps
        self._reals = torch.zeros(3, rows, device=device)  # temperature, top_p, penalty
        # One more than there are slots, for padding.
        self._seen = torch.zeros(slots + 1, decoder.vocabulary, dtype=torch.bool, device=device)
        self._true = torch.ones((), dtype=torch.bool, device=device)  # a bare True would be copied from the CPU
        self._uniform = torch.zeros(slots + 1, max_new_tokens + 2, device=device)
        self._graphs: dict[int, torch.cuda.CUDAGraph] = {}
        self._records = graphs
        self._pool = torch.cuda.graph_pool_handle() if graphs else None
        self._size = self._sizes[0]

    def begin(self, slot: int, uniform: torch.Tensor) -> None:
        """Prepare a slot for a new reply.

        Args:
            slot: The slot.
            uniform: From `draw_uniform`, a number for each token.
        """
        self._seen[slot] = False
        self._uniform[slot, : len(uniform)] = uniform.to(self._uniform.device)

    def write(self, rows: Sequence[RowState]) -> None:
        """Say which replies the next steps advance.

        Args:
            rows: At most as many as the largest batch size.
        """
        size = next(size for size in self._sizes if size >= len(rows)) if self._records else len(rows)
        self._size = size
        padded = [*rows, *[_NO_ROW] * (size - len(rows))]
        integers = [[row.slot for row in padded], [row.position for row in padded], [row.step for row in padded]]
        reals = [[row.temperature for row in padded], [row.top_p for row in padded], [row.penalty for row in padded]]
        if self._records and size not in self._graphs:
            self._record(size)
        self._ids[:size] = torch.tensor([row.token for row in padded])
        self._integers[:, :size] = torch.tensor(integers, dtype=torch.int32)
        self._reals[:, :size] = torch.tensor(reals)

    def launch(self) -> Pending:
        """Start a step for the replies that were written last.

        Returns:
            Their next tokens, then those of padding.
        """
        if self._records:
            self._graphs[self._size].replay()
        else:
            self._advance(self._size)
        return Pending(self._ids[: self._size])

    def sample_first(self, logits: torch.Tensor, rows: Sequence[RowState]) -> list[int]:
        """Choose the first tokens of replies from what their prompts predict.

        Args:
            logits: Shape (replies, vocabulary).
            rows: Their slots and how they are sampled.
        """
        slots = torch.tensor([row.slot for row in rows], device=logits.device)
        reals = torch.tensor([[row.temperature, row.top_p, row.penalty] for row in rows], device=logits.device)
        tokens = self._sample(logits, slots, torch.zeros_like(slots), reals.t())
        return Pending(tokens).read()

    def _advance(self, size: int) -> None:
        slots, positions, steps = self._integers[:, :size].unbind(0)
        new = NewTokens(ids=self._ids[:size], slots=slots, positions=positions)
        logits = self._decoder.compute_logits(self._decoder.run(new, self._cache))
        self._ids[:size] = self._sample(logits, slots, steps, self._reals[:, :size])
        self._integers[1:, :size] += 1

    def _sample(
        self, logits: torch.Tensor, slots: torch.Tensor, steps: torch.Tensor, reals: torch.Tensor
    ) -> torch.Tensor:
        lines = torch.where(slots < 0, self._slots, slots).long()
        temperature, top_p, penalty = reals.unbind(0)
        tokens: torch.Tensor = run_operation(
            sample_tokens,
            logits,
            self._seen,
            lines,
            temperature=temperature,
            top_p=top_p,
            penalty=penalty,
            uniform=self._uniform[lines, steps.long().clamp_max(self._uniform.shape[1] - 1)],
        )
        self._seen.index_put_((lines, tokens), self._true)
        return tokens

    def _record(self, size: int) -> None:
        """Record the graph of a batch size, after a run for nobody that compiles what is not compiled yet."""
        self._integers[:, :size] = torch.tensor([[PADDING], [0], [0]], dtype=torch.int32)
        self._ids[:size] = 0
        self._reals[:, :size] = 1.0
        self._advance(size)
        torch.cuda.synchronize()
        graph = torch.cuda.CUDAGraph()
        try:
            with torch.cuda.graph(graph, pool=self._pool, capture_error_mode="thread_local"):
                self._advance(size)
        except torch.OutOfMemoryError:
            raise
        except RuntimeError as exc:
            log.warning("CUDA graphs: not used, because %s", str(exc).strip().splitlines()[0])
            self._records = False
            return
        self._graphs[size] = graph
