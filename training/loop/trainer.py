"""The training loop: packed sequences, gradient accumulation, checkpoints, and shorter passes when memory runs out."""

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
from training.fast.fuse import recompute_activations
from training.loop.batches import plan_packs
from training.loop.checkpoint import Checkpoint
from training.loop.cuda_graph import MAX_GRAPH_TOKENS, GraphedBackward
from training.loop.layout import Layout
from training.loop.loss import backward_pack
from training.loop.optimizer import make_optimizer, set_rate
from training.model.causal_lm import CausalLM
from training.model.device import is_out_of_memory, read_peak_memory
from training.model.packed_sequence import PackedSequence, pack, round_up
from training.progress import Progress
from userbot.domain.errors import OutOfMemoryError, TrainingStoppedError

_REPORT_S = 0.5  # losses stay on the device until they are reported, so that not every update waits for it


@dataclass(kw_only=True)
class Trainer:
    """Trains the parameters of a model that require a gradient.

    Args:
        lm: The model, with an adapter.
        tokens: The training samples.
        batches: Indices of the samples of each update, in order.
        config: Learning rate, clipping, intervals, seed.
        layout: How updates are cut into forward passes.
        progress: Takes events.
        checkpoint: File for checkpoints; None writes none.
        evaluate: Called with the step after the updates of `evaluate_at`.
        evaluate_at: Steps after which to evaluate.
        should_stop: Asked between forward passes; True ends the run after writing a checkpoint.
        clock: Monotonic, seconds.

    Attributes:
        parameters: What is trained.
        optimizer: As configured.
        scaler: Scales float16 losses.
        graphs: Replays short passes; None without CUDA graphs.
    """

    lm: CausalLM
    tokens: Tokens
    batches: Sequence[Ints]
    config: TrainConfig
    layout: Layout
    progress: Progress
    checkpoint: Path | None = None
    evaluate: Callable[[int], None] = lambda step: None
    evaluate_at: frozenset[int] = frozenset()
    should_stop: Callable[[], bool] = lambda: False
    clock: Callable[[], float] = time.monotonic
    _unreported: list[tuple[int, torch.Tensor, float]] = field(default_factory=list)
    _tokens_done: int = 0

    def __post_init__(self) -> None:
        """Make optimiser, scaler and graphs."""
        named = [(name, value) for name, value in self.lm.model.named_parameters() if value.requires_grad]
        self._named: dict[str, torch.nn.Parameter] = dict(named)
        self.parameters = list(self._named.values())
        self.optimizer = make_optimizer(self.parameters, self.config, device=self.lm.device)
        # float16 has too small a range for gradients; the scaler moves them into it.
        self.scaler = torch.amp.GradScaler(self.lm.device, enabled=self.lm.dtype is torch.float16)
        self._lengths = self.tokens.lengths
        self._supervised = self.tokens.supervised
        self._max_seqlen = int(self._lengths.max())
        self.layout.max_pack_tokens = max(self.layout.max_pack_tokens, self._max_seqlen)
        self.graphs = self._make_graphs() if self.layout.graphed else None
        if self.layout.checkpointing:
            recompute_activations(self.lm)

    def run(self, start: Checkpoint | None = None) -> int:
        """Run all updates, or those after a checkpoint.

        Args:
            start: Where the run was interrupted; None begins it.

        Returns:
            Useful tokens trained on.

        Raises:
            TrainingStoppedError: `should_stop` said so; the checkpoint is written.
            OutOfMemoryError: Even the shortest forward pass does not fit.
        """
        self.lm.model.train()
        step = self._restore(start) if start else 0
        began, began_tokens = self.clock(), self._tokens_done
        reported = began
        while step < len(self.batches):
            rate = set_rate(self.optimizer, self.config, step=step, total=len(self.batches))
            loss = self._update(step)
            if loss is None:
                self._stop(step)
            else:
                step += 1
                self._unreported.append((step, loss, rate))
            if step == len(self.batches) or self.lm.device == "cpu":
                reported = self._report_steps(began, began_tokens)
            elif self.clock() - reported >= _REPORT_S:
                reported = self._report_steps(began, began_tokens, keep=1)  # the newest is still being computed
            if step in self.evaluate_at:
                self._report_steps(began, began_tokens)
                self.evaluate(step)
                self.lm.model.train()
            if step % self.config.save_every == 0 or step == len(self.batches):
                self.save(step)
        return self._tokens_done - began_tokens

    def save(self, step: int) -> None:
        """Write a checkpoint, if there is a file for it.

        Args:
            step: Updates done.
        """
        if self.checkpoint is None:
            return
        Checkpoint(
            step=step,
            weights={name: value.detach() for name, value in self._named.items()},
            optimizer=self.optimizer.state_dict(),
            scaler=self.scaler.state_dict(),
            max_pack_tokens=self.layout.max_pack_tokens,
            checkpointing=self.layout.checkpointing,
            tokens=self._tokens_done,
        ).save(self.checkpoint)
        self.progress.report(CheckpointSaved(step=step))

    def _restore(self, start: Checkpoint) -> int:
        with torch.no_grad():
            for name, value in self._named.items():
                value.copy_(start.weights[name])
        self.optimizer.load_state_dict(start.optimizer)
        self.scaler.load_state_dict(start.scaler)
        self.layout.max_pack_tokens, self._tokens_done = start.max_pack_tokens, start.tokens
        if start.checkpointing and not self.layout.checkpointing:
            self.layout.checkpointing = True
            recompute_activations(self.lm)
        return start.step

    def _stop(self, step: int) -> None:
        self.save(step)
        raise TrainingStoppedError(
            f"Training stopped after {step} of {len(self.batches)} updates. `clone train --resume` continues from "
            f"there."
        )

    def _update(self, step: int) -> torch.Tensor | None:
        """Run one update and return its mean loss; None when asked to stop before it was complete."""
        while True:
            # By step and not by what was drawn before: a resumed or repeated update sees the same dropout.
            torch.manual_seed(self.config.seed * 1_000_003 + step)
            try:
                loss = self._accumulate(self.batches[step])
                if loss is None:
                    return None
                self.step_optimizer()
            except (RuntimeError, MemoryError) as exc:
                if not is_out_of_memory(exc):
                    raise
                failure = exc
            else:
                self._tokens_done += int(self._lengths[self.batches[step]].sum())
                return loss
            failure.__traceback__ = None  # its frames hold the activations
            self._shrink(failure)

    def _accumulate(self, samples: Ints) -> torch.Tensor | None:
        supervised = int(self._supervised[samples].sum())
        total = torch.zeros((), device=self.lm.device)
        self.clear_gradients()
        for packed in self.split(samples):
            if self.should_stop():
                return None
            # The mean is over the supervised tokens of the whole update, however it is cut.
            total += self.backward(packed, supervised)
        return total / supervised

    def _make_graphs(self) -> GraphedBackward:
        def report(line: str) -> None:
            self.progress.report(Note(line))

        return GraphedBackward(self.lm, self.tokens, scale=self.scaler.scale, report=report)

    def clear_gradients(self) -> None:
        """Begin an update."""
        # CUDA graphs write to the same gradients each time.
        self.optimizer.zero_grad(set_to_none=self.graphs is None)

    def split(self, samples: Ints) -> list[Ints]:
        """Cut an update into forward passes.

        Args:
            samples: Indices of the update's samples; shape (samples,).

        Returns:
            Indices of the samples of each forward pass.
        """
        if not self.layout.packed:
            return [samples[index : index + 1] for index in range(len(samples))]
        return plan_packs(self._lengths, samples, max_pack_tokens=self.layout.max_pack_tokens)

    def backward(self, samples: Ints, supervised: int) -> torch.Tensor:
        """Run a forward and a backward pass, and add the gradients to the parameters.

        Args:
            samples: Indices of those that share the forward pass; shape (samples,).
            supervised: Supervised tokens of the update.

        Returns:
            The summed loss, nats, still on the device; no dimensions.
        """
        if self.graphs is not None and int(self._lengths[samples].sum()) <= MAX_GRAPH_TOKENS:
            return self.graphs.backward(samples, supervised)
        return backward_pack(self.lm, self._pack(samples), scale=partial(self._scale, supervised))

    def _scale(self, supervised: int, loss: torch.Tensor) -> torch.Tensor:
        scaled: torch.Tensor = self.scaler.scale(loss / supervised)
        return scaled

    def _pack(self, samples: Ints) -> PackedSequence:
        pad_to = max_seqlen = None
        if self.layout.pad:
            pad_to, max_seqlen = self.layout.max_pack_tokens, self._max_seqlen
        elif self.lm.device == "cuda":  # kernels for lengths that nothing divides are slow
            pad_to = round_up(int(self._lengths[samples].sum()))
        return pack(self.tokens, samples, pad_to=pad_to, max_seqlen=max_seqlen).to(self.lm.device)

    def step_optimizer(self) -> None:
        """End an update: clip the gradients and run the optimiser."""
        self.scaler.unscale_(self.optimizer)
        torch.nn.utils.clip_grad_norm_(self.parameters, self.config.max_grad_norm)
        self.scaler.step(self.optimizer)
        self.scaler.update()

    def _shrink(self, exc: BaseException) -> None:
        """Make forward passes shorter, or recompute activations when they can't be.

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
        if layout.packed and layout.max_pack_tokens > self._max_seqlen:
            layout.max_pack_tokens = max(self._max_seqlen, layout.max_pack_tokens // 2)
            remedy = f"forward passes of {layout.max_pack_tokens} tokens from here on, the same updates"
        elif not layout.checkpointing:
            layout.checkpointing = True
            recompute_activations(self.lm)
            remedy = "activations are recomputed from here on"
        else:
            raise OutOfMemoryError(
                f"Memory runs out with one sample of {self._max_seqlen} tokens at a time. Use shorter samples "
                f"(--set data.max_tokens={max(32, self._max_seqlen // 2)}), a smaller base, or --preset small."
            ) from exc
        self.progress.report(Note(f"memory ran out: {remedy}"))

    def _report_steps(self, began: float, began_tokens: int, *, keep: int = 0) -> float:
        """Report the updates that were not yet reported, but for the last `keep`, and return the time."""
        now = self.clock()
        speed = (self._tokens_done - began_tokens) / max(now - began, 1e-9)
        mean_tokens = self._tokens_done / max(self._unreported[-1][0], 1) if self._unreported else 0.0
        ready = len(self._unreported) - keep
        for step, loss, rate in self._unreported[:ready]:
            self.progress.report(
                Stepped(
                    step=step,
                    total=len(self.batches),
                    loss=float(loss),
                    learning_rate=rate,
                    tokens_per_s=round(speed, 1),
                    memory_bytes=read_peak_memory(self.lm.device),
                    eta_s=round((len(self.batches) - step) * mean_tokens / speed, 1) if speed else None,
                )
            )
        del self._unreported[:ready]
        return now
