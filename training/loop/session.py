"""The part of a run that holds a model: load, score, train, score again, save."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import torch

from training.config import TrainConfig
from training.data.tokens import Ints, Tokens
from training.events import Estimated, Evaluated, EvaluationName, Note
from training.fast.attention import GRAPHABLE, choose_attention
from training.fast.compile import compile_layers, undo_compiling, will_compile
from training.fast.fuse import fuse_layers, list_fused, will_fuse
from training.loop.batches import plan_batches
from training.loop.checkpoint import Checkpoint
from training.loop.cuda_graph import MAX_GRAPH_TOKENS
from training.loop.evaluate import Evaluation, evaluate
from training.loop.layout import Layout, make_layout
from training.loop.throughput import measure_throughput
from training.loop.trainer import Trainer
from training.model.base import (
    BaseModel,
    count_4bit,
    dequantise_weights,
    load_base,
    quiet_deprecations,
    resolve_base,
)
from training.model.causal_lm import CausalLM, make_causal_lm
from training.model.device import GIB, Device, inspect_device, read_peak_memory
from training.model.lora import attach_lora, map_mismatch
from training.model.memory import (
    SPARE,
    Memory,
    Plan,
    advise,
    estimate_memory,
    fit_plan,
    is_worth_dequantising,
    read_dims,
)
from training.progress import Progress
from userbot.domain.errors import OutOfMemoryError
from userbot.store.adapters import write_json
from userbot.store.runs import HELD_OUT, TRAIN, RunFolder

LIBRARIES = ("torch", "transformers", "peft", "bitsandbytes", "telegram-clone")


@dataclass(kw_only=True)
class TrainingSession:
    """A model with an adapter, the samples, and how updates are fitted into memory.

    Args:
        config: The run's configuration.
        base: Name of the base model.
        run: The run's folder.
        model: peft's model; before there is an adapter, that of transformers.
        lm: How it is run for its loss.
        attention: Which implementation of attention runs, of `training.fast.attention.PATHS`.
        layout: How updates are cut into forward passes.
        train_tokens: Training samples.
        held_out_tokens: Samples for evaluation.
        progress: Takes events.
        estimate: Estimates the memory of forward passes of some tokens.
        keep: Memory is left for what fused layers can keep from forward to backward pass.
        metrics: What was measured so far, as in the manifest.
    """

    config: TrainConfig
    base: str
    run: RunFolder
    model: Any
    lm: CausalLM
    attention: str
    layout: Layout
    train_tokens: Tokens
    held_out_tokens: Tokens
    progress: Progress
    estimate: Callable[..., Memory]
    keep: bool = False
    metrics: dict[str, Any] = field(default_factory=dict)

    @classmethod
    def load(
        cls,
        config: TrainConfig,
        *,
        base: str,
        models: Path,
        run: RunFolder,
        parent: Path | None,
        active: Path | None,
        progress: Progress,
    ) -> TrainingSession:
        """Load the base, choose how to run it, score it on the held-out samples, and put the adapter on it.

        Args:
            config: The run's configuration.
            base: Name of the base model.
            models: Where the embedded base is unpacked.
            run: The run's folder, with its samples.
            parent: Folder of the adapter to continue from; None makes a new one.
            active: Folder of the active adapter, which is scored to compare with; None where there is none.
            progress: Takes events.

        Raises:
            ConfigError: The base can't be had.
            NotQuantisedError: 4 bit can't be applied.
            BaseMismatchError: An adapter does not fit the base.
            OutOfMemoryError: The base alone takes more than there is.
        """
        train_tokens, held_out_tokens = Tokens.open(run.path / TRAIN), Tokens.open(run.path / HELD_OUT)
        max_seqlen = int(max(train_tokens.lengths.max(), held_out_tokens.lengths.max(initial=0)))
        device = inspect_device()
        dtype = device.choose_dtype(config.compute_dtype)
        base_model = resolve_base(base, models_dir=models)
        dims = read_dims(base_model, config.lora)
        dequantised = config.load_in_4bit and is_worth_dequantising(dims, device, dtype)
        model = _load_model(base_model, config, dtype=dtype, device=device, dequantised=dequantised, progress=progress)
        lm = make_causal_lm(model, dtype=dtype, device=device.type)
        path, line = choose_attention(lm, device, requested=config.attention, max_tokens=max_seqlen)
        progress.report(Note(line))
        options: dict[str, Any] = {
            "dtype": dtype,
            "dequantised": dequantised,
            "masked": path == "sdpa",
            "compiled": will_compile(config.compile, device.type),
            "fused": will_fuse(config, device),
        }
        plan = fit_plan(dims, config, device, max_seqlen=max_seqlen, **options)
        _report_advice(plan, config, device, progress)
        estimate = partial(estimate_memory, dims, config, **options)
        kept = estimate(max_pack_tokens=plan.max_pack_tokens, checkpointing=False, kept=True)
        session = cls(
            config=config,
            base=base,
            run=run,
            model=model,
            lm=lm,
            attention=path,
            layout=make_layout(plan, path),
            train_tokens=train_tokens,
            held_out_tokens=held_out_tokens,
            progress=progress,
            estimate=estimate,
            keep=kept.total < SPARE * device.free_bytes,
        )
        session.evaluate(EvaluationName.BEFORE, step=0)
        session._attach_adapter(parent=parent, active=active)
        return session

    def train(self, *, should_stop: Callable[[], bool]) -> dict[str, Any]:
        """Train from the last checkpoint, or from the start, to the end.

        Args:
            should_stop: Asked between forward passes; True ends the run after writing a checkpoint.

        Returns:
            Metrics for the manifest: losses before and after, speed, memory, and whether the loss became worse.

        Raises:
            TrainingStoppedError: `should_stop` said so; the checkpoint is written.
            OutOfMemoryError: Even the shortest forward pass does not fit.
        """
        batches, ends = plan_batches(self.config, self.train_tokens)
        every = self.config.evaluate_every
        self._choose_layers(batches)
        trainer = Trainer(
            lm=self.lm,
            tokens=self.train_tokens,
            batches=batches,
            config=self.config,
            layout=self.layout,
            progress=self.progress,
            checkpoint=self.run.checkpoint,
            evaluate=partial(self._evaluate_at, EvaluationName.DURING),
            evaluate_at=frozenset(range(every, len(batches), every)) if every else frozenset(ends[:-1]),
            should_stop=should_stop,
        )
        self._report_estimate(trainer)
        began = time.monotonic()
        tokens = trainer.run(Checkpoint.load(self.run.checkpoint, self.lm.device))
        seconds = time.monotonic() - began
        after = self.evaluate(EvaluationName.AFTER, step=len(batches))
        reference = self.metrics.get(EvaluationName.ACTIVE.value) or self.metrics[EvaluationName.BEFORE.value]
        return {
            **self.metrics,
            "updates": len(batches),
            "train_s": round(seconds, 2),
            "tokens_per_s": round(tokens / max(seconds, 1e-9), 1),
            "peak_bytes": read_peak_memory(self.lm.device),
            "worse": after.total.loss > reference["loss"],
        }

    def evaluate(self, name: EvaluationName, *, step: int) -> Evaluation:
        """Score the held-out samples, report it, and keep it among the metrics unless it is one of many.

        Args:
            name: Which state of the model is scored.
            step: Updates done.
        """
        layout = self.layout
        evaluation = evaluate(
            self.lm, self.held_out_tokens, max_pack_tokens=layout.max_pack_tokens, packed=layout.packed
        )
        self.progress.report(Evaluated(name=name, step=step, **evaluation.total.to_json()))
        if name is not EvaluationName.DURING:
            self.metrics[name.value] = evaluation.to_json()
        return evaluation

    def _evaluate_at(self, name: EvaluationName, step: int) -> None:
        self.evaluate(name, step=step)

    def save_adapter(self, folder: Path) -> None:
        """Write the adapter's files as peft does, naming the base as manifests do.

        Args:
            folder: An empty one.
        """
        with quiet_deprecations():
            self.model.save_pretrained(folder, save_embedding_layers=False)
        (folder / "README.md").unlink(missing_ok=True)  # a form with nothing filled in
        name_base(folder, self.base)

    def _choose_layers(self, batches: Sequence[Ints]) -> None:
        """Run the layers in the quickest way that is right for this model here."""
        layout, lengths = self.layout, self.train_tokens.lengths
        longest = min(layout.max_pack_tokens, max(int(lengths[samples].sum()) for samples in batches))
        layout.memory = self.estimate(max_pack_tokens=longest, checkpointing=layout.checkpointing)
        if self.config.compile is not False and self.lm.device == "cuda":
            fused, line = fuse_layers(self.lm)
            self.progress.report(Note(line))
            if fused:
                layout.graphed = self.attention in GRAPHABLE and longest <= MAX_GRAPH_TOKENS
                if self.keep and not layout.checkpointing:
                    layout.memory = self.estimate(max_pack_tokens=longest, checkpointing=False, kept=True)
                    for layer in list_fused(self.lm):
                        layer.keep = True
                return
        layout.pad, line = compile_layers(self.lm, setting=self.config.compile)
        self.progress.report(Note(line))

    def _attach_adapter(self, *, parent: Path | None, active: Path | None) -> None:
        self.model, lines = attach_lora(self.model, self.config.lora, seed=self.config.seed, parent=parent)
        for line in lines:
            self.progress.report(Note(line))
        self.lm = make_causal_lm(self.model, dtype=self.lm.dtype, device=self.lm.device)
        if parent is not None:
            self.evaluate(EvaluationName.PARENT, step=0)
        if active is None:
            return
        if parent == active:
            self.metrics[EvaluationName.ACTIVE.value] = self.metrics[EvaluationName.PARENT.value]
            return
        with quiet_deprecations(), map_mismatch(active):
            self.model.load_adapter(str(active), adapter_name="active")
        self.model.set_adapter("active")
        self.evaluate(EvaluationName.ACTIVE, step=0)
        self.model.set_adapter("default")
        self.model.delete_adapter("active")

    def _report_estimate(self, trainer: Trainer) -> None:
        try:
            speed = measure_throughput(trainer)
        except (torch._dynamo.exc.TorchDynamoException, torch._inductor.exc.InductorError) as exc:
            undo_compiling(self.lm)
            self.layout.pad = False
            self.progress.report(Note(f"layers: not compiled, because compiling fails: {type(exc).__name__}"))
            speed = measure_throughput(trainer)
        tokens = sum(int(self.train_tokens.lengths[samples].sum()) for samples in trainer.batches)
        self.progress.report(
            Estimated(
                memory_gib=self.layout.memory.to_json() if self.layout.memory else None,
                max_pack_tokens=self.layout.max_pack_tokens,
                checkpointing=self.layout.checkpointing,
                updates=len(trainer.batches),
                tokens=tokens,
                tokens_per_s=round(speed, 1) if speed else None,
                seconds=round(tokens / speed, 1) if speed else None,
            )
        )


def _report_advice(plan: Plan, config: TrainConfig, device: Device, progress: Progress) -> None:
    if advice := advise(plan, config, device):
        if plan.memory.weights > device.free_bytes:
            raise OutOfMemoryError(advice)
        progress.report(Note(advice))


def _load_model(
    base: BaseModel,
    config: TrainConfig,
    *,
    dtype: torch.dtype,
    device: Device,
    dequantised: bool,
    progress: Progress,
) -> Any:
    model, _ = load_base(base, quantised=config.load_in_4bit, compute_dtype=dtype, device=device.type)
    layers = f"{count_4bit(model)} layers in 4 bit (NF4)" if config.load_in_4bit else "not quantised"
    if dequantised:
        model = dequantise_weights(model, dtype)
        layers += ", held dequantised, because memory is plenty and that is quicker on a CPU"
    free = f"{device.free_bytes / GIB:.1f} GiB free"
    progress.report(Note(f"device: {device.name}, {free}, computing in {str(dtype).removeprefix('torch.')}"))
    progress.report(Note(f"weights: {layers}"))
    return model


def name_base(folder: Path, base: str) -> None:
    """Name the base in an adapter's configuration as the manifest does, and not by a folder of this device.

    Args:
        folder: The adapter's folder, as peft wrote it.
        base: Name of the base model.
    """
    path = folder / "adapter_config.json"
    values = json.loads(path.read_text("utf-8"))
    write_json(path, {**values, "base_model_name_or_path": base})


def list_versions() -> dict[str, str]:
    """Return the versions of the installed libraries that training depends on, by name."""
    versions = {}
    for name in LIBRARIES:
        with suppress(PackageNotFoundError):
            versions[name] = version(name)
    return versions
