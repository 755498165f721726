"""The part of a run that holds a model: load, measure, train, measure again, save."""

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
from training.data.prepare import HELD_OUT, TRAIN
from training.data.tokens import Ints, Tokens
from training.events import Estimated, Evaluated, EvaluationName, Note
from training.fast.attention import choose_attention, name_attention
from training.fast.compile import compile_layers, undo_compiling, will_compile
from training.fast.decoder_layer import fuse_layers, list_fused, will_fuse
from training.loop.batches import plan_batches
from training.loop.checkpoint import Checkpoint
from training.loop.cuda_graph import MAX_GRAPH_TOKENS
from training.loop.evaluate import Evaluation, evaluate
from training.loop.throughput import measure_throughput
from training.loop.trainer import Layout, Trainer, read_peak_memory
from training.model.base import (
    BaseModel,
    attach_lora,
    count_4bit,
    dequantise_weights,
    load_base,
    map_mismatch,
    quiet_deprecations,
    resolve_base,
)
from training.model.causal_lm import CausalLM, make_causal_lm
from training.model.device import GIB, Device, inspect_device
from training.model.memory import (
    SPARE,
    Memory,
    advise,
    estimate_memory,
    fit_plan,
    is_worth_dequantising,
    read_dims,
)
from training.progress import Progress
from userbot.domain.errors import OutOfMemoryError
from userbot.store.adapters import write_json
from userbot.store.runs import RunFolder

LIBRARIES = ("torch", "transformers", "peft", "bitsandbytes", "telegram-clone")


@dataclass(kw_only=True)
class TrainingSession:
    """A model with an adapter, the samples, and how they are fitted into memory.

    Args:
        config: The run's configuration.
        base: Name of the base model.
        run: The run's folder.
        model: peft's model.
        lm: How it is run for its loss.
        layout: How updates are cut.
        train: Training samples.
        held_out: Samples for evaluation.
        progress: Who is told.
        estimate: Tells the memory that rows of some tokens need.
        keep: Memory is left for what fused layers can keep from forward to backward pass.
        metrics: What was measured so far.
    """

    config: TrainConfig
    base: str
    run: RunFolder
    model: Any
    lm: CausalLM
    layout: Layout
    train: Tokens
    held_out: Tokens
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
        current: Path | None,
        progress: Progress,
    ) -> TrainingSession:
        """Load the base, choose how to run it, measure it on the held-out samples, and put the adapter on it.

        Args:
            config: The run's configuration.
            base: Name of the base model.
            models: Where the embedded base is unpacked.
            run: The run's folder, with its samples.
            parent: Adapter to go on from.
            current: Adapter in service, to compare with.
            progress: Who is told.
        """
        train, held_out = Tokens.open(run.path / TRAIN), Tokens.open(run.path / HELD_OUT)
        longest = int(max(train.lengths.max(), held_out.lengths.max(initial=0)))
        device = inspect_device()
        dtype = device.choose_dtype(config.compute_dtype)
        found = resolve_base(base, models_dir=models)
        dims = read_dims(found, config.lora)
        dequantised = config.load_in_4bit and is_worth_dequantising(dims, device, dtype)
        model = _load_model(found, config, dtype=dtype, device=device, dequantised=dequantised, progress=progress)
        lm = make_causal_lm(model, dtype=dtype, device=device.type)
        path, line = choose_attention(lm, device, wanted=config.attention, max_tokens=longest)
        progress.report(Note(line))
        how: dict[str, Any] = {
            "dtype": dtype,
            "dequantised": dequantised,
            "masked": path == "sdpa",
            "compiled": will_compile(config.compile, device.type),
            "fused": will_fuse(config, device),
        }
        plan = fit_plan(dims, config, device, longest=longest, **how)
        if advice := advise(plan, config, device):
            if plan.memory.weights > device.free_bytes:
                raise OutOfMemoryError(advice)
            progress.report(Note(advice))
        estimate, most = partial(estimate_memory, dims, config, **how), SPARE * device.free_bytes
        learner = cls(
            config=config,
            base=base,
            run=run,
            model=model,
            lm=lm,
            layout=Layout(
                max_pack_tokens=plan.max_pack_tokens,
                checkpointing=plan.checkpointing,
                packed=path != "alone",
                memory=plan.memory,
            ),
            estimate=estimate,
            keep=estimate(max_pack_tokens=plan.max_pack_tokens, checkpointing=False, kept=True).total < most,
            train=train,
            held_out=held_out,
            progress=progress,
        )
        learner.measure(EvaluationName.BEFORE, step=0)
        learner._attach(parent=parent, current=current)
        return learner

    def learn(self, *, should_stop: Callable[[], bool]) -> dict[str, Any]:
        """Train from the last checkpoint, or from the start, to the end.

        Returns:
            Losses before and after, speed, memory, and whether it became worse.
        """
        plan, ends = plan_batches(self.config, self.train)
        every = self.config.evaluate_every
        self._quicken(plan)
        trainer = Trainer(
            lm=self.lm,
            tokens=self.train,
            plan=plan,
            config=self.config,
            layout=self.layout,
            progress=self.progress,
            checkpoint=self.run.checkpoint,
            evaluate=self._measure_during,
            evaluate_at=frozenset(range(every, len(plan), every)) if every else frozenset(ends[:-1]),
            should_stop=should_stop,
        )
        self._report_estimate(trainer)
        began = time.monotonic()
        read = trainer.run(Checkpoint.load(self.run.checkpoint, self.lm.device))
        seconds = time.monotonic() - began
        after = self.measure(EvaluationName.AFTER, step=len(plan))
        reference = self.metrics.get("current") or self.metrics["before"]
        return {
            **self.metrics,
            "updates": len(plan),
            "train_s": round(seconds, 2),
            "tokens_per_s": round(read / max(seconds, 1e-9), 1),
            "peak_bytes": read_peak_memory(self.lm.device),
            "worse": after.total.loss > reference["loss"],
        }

    def _quicken(self, plan: Sequence[Ints]) -> None:
        """Run the layers in the quickest way that is right for this model here."""
        layout = self.layout
        longest_pack = min(layout.max_pack_tokens, max(int(self.train.lengths[samples].sum()) for samples in plan))
        layout.memory = self.estimate(max_pack_tokens=longest_pack, checkpointing=layout.checkpointing)
        if self.config.compile is not False and self.lm.device == "cuda":
            fused, line = fuse_layers(self.lm)
            self.progress.report(Note(line))
            if fused:
                recordable = {name_attention("rows"), name_attention("varlen")}
                attention = self.lm.model.config._attn_implementation
                layout.graphed = attention in recordable and longest_pack <= MAX_GRAPH_TOKENS
                if self.keep and not layout.checkpointing:
                    layout.memory = self.estimate(max_pack_tokens=longest_pack, checkpointing=False, kept=True)
                    for layer in list_fused(self.lm):
                        layer.keep = True
                return
        layout.pad, line = compile_layers(self.lm, wanted=self.config.compile)
        self.progress.report(Note(line))

    def _measure_during(self, step: int) -> None:
        self.measure(EvaluationName.DURING, step=step)

    def measure(self, name: EvaluationName, *, step: int) -> Evaluation:
        """Score the held-out samples, tell it, and keep it among the metrics unless it is one of many."""
        found = evaluate(self.lm, self.held_out, max_pack_tokens=self.layout.max_pack_tokens, packed=self.layout.packed)
        self.progress.report(Evaluated(name=name, step=step, **found.total.to_json()))
        if name is not EvaluationName.DURING:
            self.metrics[name.value] = found.to_json()
        return found

    def save_adapter(self, folder: Path) -> None:
        """Write the adapter's files as peft does, naming the base as manifests do."""
        with quiet_deprecations():
            self.model.save_pretrained(folder, save_embedding_layers=False)
        (folder / "README.md").unlink(missing_ok=True)  # a form with nothing filled in
        name_base(folder, self.base)

    def _attach(self, *, parent: Path | None, current: Path | None) -> None:
        self.model, notes = attach_lora(self.model, self.config.lora, seed=self.config.seed, parent=parent)
        for line in notes:
            self.progress.report(Note(line))
        self.lm = make_causal_lm(self.model, dtype=self.lm.dtype, device=self.lm.device)
        if parent is not None:
            self.measure(EvaluationName.PARENT, step=0)
        if current is None:
            return
        if parent == current:
            self.metrics["current"] = self.metrics["parent"]
            return
        with quiet_deprecations(), map_mismatch(current):
            self.model.load_adapter(str(current), adapter_name="current")
        self.model.set_adapter("current")
        self.measure(EvaluationName.ACTIVE, step=0)
        self.model.set_adapter("default")
        self.model.delete_adapter("current")

    def _report_estimate(self, trainer: Trainer) -> None:
        try:
            speed = measure_throughput(trainer)
        except (torch._dynamo.exc.TorchDynamoException, torch._inductor.exc.InductorError) as exc:
            undo_compiling(self.lm)
            self.layout.pad = False
            self.progress.report(Note(f"layers: run as written, because compiling fails: {type(exc).__name__}"))
            speed = measure_throughput(trainer)
        tokens = sum(int(self.train.lengths[samples].sum()) for samples in trainer.plan)
        self.progress.report(
            Estimated(
                memory_gib=self.layout.memory.to_json() if self.layout.memory else None,
                max_pack_tokens=self.layout.max_pack_tokens,
                checkpointing=self.layout.checkpointing,
                updates=len(trainer.plan),
                tokens=tokens,
                tokens_per_s=round(speed, 1) if speed else None,
                seconds=round(tokens / speed, 1) if speed else None,
            )
        )


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
        layers += ", their values held unpacked, because memory is plenty and that is quicker on a CPU"
    free = f"{device.free_bytes / GIB:.1f} GiB free"
    progress.report(Note(f"device: {device.name}, {free}, computing in {str(dtype).removeprefix('torch.')}"))
    progress.report(Note(f"weights: {layers}"))
    return model


def name_base(folder: Path, base: str) -> None:
    """Name the base in an adapter's configuration as the manifest does, and not by a folder of this device."""
    path = folder / "adapter_config.json"
    values = json.loads(path.read_text("utf-8"))
    write_json(path, {**values, "base_model_name_or_path": base})


def list_versions() -> dict[str, str]:
    """Return the versions of the libraries that training depends on."""
    found = {}
    for name in LIBRARIES:
        with suppress(PackageNotFoundError):
            found[name] = version(name)
    return found
