"""The training loop: packed rows, gradient accumulation, checkpoints, and a smaller row when memory runs out."""

from __future__ import annotations

import gc
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import torch

from training.config import TrainConfig
from training.data.tokens import Ints, Tokens
from training.events import CheckpointSaved, Note, Stepped
from training.fast.decoder_layer import list_fused
from training.loop.batches import plan_packs
from training.loop.checkpoint import Checkpoint
from training.loop.cuda_graph import MAX_GRAPH_TOKENS, GraphedBackward
from training.loop.loss import backward_pack
from training.loop.optimizer import make_optimizer, set_rate
from training.loop.process_group import Alone, Team
from training.model.base import quiet_deprecations
from training.model.causal_lm import CausalLM
from training.model.memory import Memory
from training.model.packed_sequence import PackedSequence, pack, round_up
from training.progress import Progress
from userbot.domain.errors import OutOfMemoryError, TrainingStoppedError

_TELL_S = 0.5  # losses stay on the device until they are told, so that it need not be waited for at each update


@dataclass(slots=True, kw_only=True)
class Layout:
    """How an update is cut into forward passes; running out of memory changes it.

    Args:
        max_pack_tokens: Tokens of a row.
        checkpointing: Recompute activations in the backward pass.
        pad: Fill rows up, so that compiled layers meet one shape only.
        packed: Broadcast samples may share a row.
        graphed: Play recordings of short rows; for fused layers on a GPU.
        memory: What that was estimated to need.
    """

    max_pack_tokens: int
    checkpointing: bool = False
    pad: bool = False
    packed: bool = True
    graphed: bool = False
    memory: Memory | None = None


@dataclass(kw_only=True)
class Trainer:
    """Trains the parameters of a lm that require a gradient.

    Args:
        lm: The model, with an adapter.
        tokens: The training samples.
        plan: Samples of each update, in order.
        config: Learning rate, clipping, intervals, seed.
        layout: How to cut updates.
        progress: Who is told.
        checkpoint: File for checkpoints; None writes none.
        evaluate: Called with the step at every `evaluate_every` and at the end of each epoch.
        evaluate_at: Steps after which to evaluate.
        should_stop: Asked between rows; True ends the run after writing a checkpoint.
        team: The processes that train together.
        clock: Monotonic, seconds.
    """

    lm: CausalLM
    tokens: Tokens
    plan: Sequence[Ints]
    config: TrainConfig
    layout: Layout
    progress: Progress
    checkpoint: Path | None = None
    evaluate: Callable[[int], None] = lambda step: None
    evaluate_at: frozenset[int] = frozenset()
    should_stop: Callable[[], bool] = lambda: False
    team: Team = field(default_factory=Alone)
    clock: Callable[[], float] = time.monotonic
    _waiting: list[tuple[int, torch.Tensor, float]] = field(default_factory=list)
    _seen: int = 0

    def __post_init__(self) -> None:
        """Make optimiser and scaler."""
        named = [(name, value) for name, value in self.lm.model.named_parameters() if value.requires_grad]
        self.named: dict[str, torch.nn.Parameter] = dict(named)
        self.parameters = list(self.named.values())
        self.optimizer = make_optimizer(self.parameters, self.config, device=self.lm.device)
        # float16 has too small a range for gradients; the scaler moves them into it.
        self.scaler = torch.amp.GradScaler(self.lm.device, enabled=self.lm.dtype is torch.float16)
        self._lengths = self.tokens.lengths
        self._supervised = self.tokens.supervised
        self._longest = int(self._lengths.max())
        self.layout.max_pack_tokens = max(self.layout.max_pack_tokens, self._longest)
        self.graphs = self._make_graphs() if self.layout.graphed else None
        if self.layout.checkpointing:
            set_checkpointing(self.lm)

    def run(self, start: Checkpoint | None = None) -> int:
        """Run all updates, or those after a checkpoint.

        Returns:
            Useful tokens read.

        Raises:
            TrainingStoppedError: `should_stop` said so; the checkpoint is written.
            OutOfMemoryError: Even the smallest row does not fit.
        """
        self.lm.model.train()
        step = self._restore(start) if start else 0
        began, began_tokens = self.clock(), self._seen
        told = began
        while step < len(self.plan):
            rate = set_rate(self.optimizer, self.config, step=step, total=len(self.plan))
            loss = self._update(step)
            if loss is None:
                self._stop(step)
            else:
                step += 1
                self._waiting.append((step, loss, rate))
            if step == len(self.plan) or self.lm.device == "cpu":
                told = self._tell(began, began_tokens)
            elif self.clock() - told >= _TELL_S:
                told = self._tell(began, began_tokens, keep=1)  # the newest is still being computed
            if step in self.evaluate_at:
                self._tell(began, began_tokens)
                self.evaluate(step)
                self.lm.model.train()
            if step % self.config.save_every == 0 or step == len(self.plan):
                self.save(step)
        return self._seen - began_tokens

    def save(self, step: int) -> None:
        """Write a checkpoint, where one is wanted."""
        if self.checkpoint is None or self.team.rank:
            return
        Checkpoint(
            step=step,
            weights={name: value.detach() for name, value in self.named.items()},
            optimizer=self.optimizer.state_dict(),
            scaler=self.scaler.state_dict(),
            max_pack_tokens=self.layout.max_pack_tokens,
            checkpointing=self.layout.checkpointing,
            tokens=self._seen,
        ).save(self.checkpoint)
        self.progress.report(CheckpointSaved(step=step))

    def _restore(self, start: Checkpoint) -> int:
        with torch.no_grad():
            for name, value in self.named.items():
                value.copy_(start.weights[name])
        self.optimizer.load_state_dict(start.optimizer)
        self.scaler.load_state_dict(start.scaler)
        self.layout.max_pack_tokens, self._seen = start.max_pack_tokens, start.tokens
        if start.checkpointing and not self.layout.checkpointing:
            self.layout.checkpointing = True
            set_checkpointing(self.lm)
        return start.step

    def _stop(self, step: int) -> None:
        self.save(step)
        raise TrainingStoppedError(
            f"Training stopped after {step} of {len(self.plan)} updates. `clone train --resume` goes on from there."
        )

    def _update(self, step: int) -> torch.Tensor | None:
        """Run one update and return its mean loss; None when asked to stop before it was complete."""
        while True:
            # By step and not by what was drawn before: a resumed or repeated update sees the same dropout.
            torch.manual_seed(self.config.seed * 1_000_003 + step)
            try:
                loss = self._accumulate(self.plan[step])
                if loss is None:
                    return None
                self.apply()
            except (RuntimeError, MemoryError) as exc:
                if not is_out_of_memory(exc):
                    raise
                failed = exc
            else:
                self._seen += int(self._lengths[self.plan[step]].sum())
                return loss
            failed.__traceback__ = None  # its frames hold the activations
            self._shrink(failed)

    def _accumulate(self, samples: Ints) -> torch.Tensor | None:
        supervised = int(self._supervised[samples].sum())
        total = torch.zeros((), device=self.lm.device)
        self.clear_gradients()
        for row in self.cut(samples)[self.team.rank :: self.team.size]:
            if self.should_stop():
                return None
            # The mean is over the supervised tokens of the whole update, however it is cut.
            total += self.learn(row, supervised)
        return self.team.sum(total) / supervised

    def _make_graphs(self) -> GraphedBackward:
        def tell(line: str) -> None:
            self.progress.report(Note(line))

        return GraphedBackward(self.lm, self.tokens, scale=self.scaler.scale, tell=tell)

    def learn(self, samples: Ints, supervised: int) -> torch.Tensor:
        """Add a row's gradients to the parameters.

        Args:
            samples: Of the row.
            learned: Learned tokens of the update.

        Returns:
            The summed loss, nats, still on the device.
        """
        if self.graphs is not None and int(self._lengths[samples].sum()) <= MAX_GRAPH_TOKENS:
            return self.graphs.learn(samples, supervised)
        return backward_pack(self.lm, self._place(samples), scale=partial(self._scale, supervised))

    def clear_gradients(self) -> None:
        """Begin an update."""
        # Recordings write to the same gradients each time.
        self.optimizer.zero_grad(set_to_none=self.graphs is None)

    def _scale(self, supervised: int, loss: torch.Tensor) -> torch.Tensor:
        scaled: torch.Tensor = self.scaler.scale(loss / supervised)
        return scaled

    def cut(self, samples: Ints) -> list[Ints]:
        """Cut an update's samples into rows."""
        if not self.layout.packed:
            return [samples[index : index + 1] for index in range(len(samples))]
        return plan_packs(self._lengths, samples, max_pack_tokens=self.layout.max_pack_tokens)

    def _place(self, samples: Ints) -> PackedSequence:
        pad_to = longest = None
        if self.layout.pad:
            pad_to, longest = self.layout.max_pack_tokens, self._longest
        elif self.lm.device == "cuda":  # kernels for lengths that nothing divides are slow
            pad_to = round_up(int(self._lengths[samples].sum()))
        return pack(self.tokens, samples, pad_to=pad_to, longest=longest).to(self.lm.device)

    def apply(self) -> None:
        """End an update: clip the gradients and run the optimiser."""
        self.team.sum_gradients(self.parameters)
        self.scaler.unscale_(self.optimizer)
        torch.nn.utils.clip_grad_norm_(self.parameters, self.config.max_grad_norm)
        self.scaler.step(self.optimizer)
        self.scaler.update()

    def _shrink(self, exc: BaseException) -> None:
        """Make rows smaller, or recompute activations when they can't be.

        Raises:
            OutOfMemoryError: Both was done already.
        """
        if self.graphs is not None:
            self.graphs.clear()
        self.optimizer.zero_grad(set_to_none=True)
        gc.collect()
        if self.lm.device == "cuda":
            torch.cuda.empty_cache()
        layout = self.layout
        if layout.packed and layout.max_pack_tokens > self._longest:
            layout.max_pack_tokens = max(self._longest, layout.max_pack_tokens // 2)
            what = f"rows of {layout.max_pack_tokens} tokens from here on, the same updates"
        elif not layout.checkpointing:
            layout.checkpointing = True
            set_checkpointing(self.lm)
            what = "activations are recomputed from here on"
        else:
            raise OutOfMemoryError(
                f"Memory runs out with one sample of {self._longest} tokens at a time. Use shorter samples "
                f"(--set data.max_tokens={max(32, self._longest // 2)}), a smaller base, or --preset small."
            ) from exc
        self.progress.report(Note(f"memory ran out: {what}"))

    def _tell(self, began: float, began_tokens: int, *, keep: int = 0) -> float:
        now = self.clock()
        speed = (self._seen - began_tokens) / max(now - began, 1e-9)
        read = self._seen / max(self._waiting[-1][0], 1) if self._waiting else 0.0
        ready = len(self._waiting) - keep
        for step, loss, rate in self._waiting[:ready]:
            self.progress.report(
                Stepped(
                    step=step,
                    total=len(self.plan),
                    loss=float(loss),
                    learning_rate=rate,
                    tokens_per_s=round(speed, 1),
                    memory_bytes=read_peak_memory(self.lm.device),
                    eta_s=round((len(self.plan) - step) * read / speed, 1) if speed else None,
                )
            )
        del self._waiting[:ready]
        return now


def set_checkpointing(lm: CausalLM) -> None:
    """Recompute activations from here on."""
    if fused := list_fused(lm):
        for layer in fused:
            layer.recompute = True
        return
    with quiet_deprecations():
        lm.model.gradient_checkpointing_enable(gradient_checkpointing_kwargs={"use_reentrant": False})


def is_out_of_memory(exc: BaseException) -> bool:
    """Tell whether memory ran out, on a GPU or in main memory."""
    return isinstance(exc, torch.OutOfMemoryError | MemoryError) or "can't allocate memory" in str(exc)


def read_peak_memory(device: str) -> int:
    """Return the most memory that this process has held, bytes: on the GPU, else in main memory."""
    if device == "cuda":
        return int(torch.cuda.max_memory_allocated())
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
