"""Training with the product's own TrainingSession, which `clone train` uses, timed."""

from __future__ import annotations

import math
import time
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks.speed.base import invent_samples
from benchmarks.speed.variants import FULL, OURS, Ours
from training.config import make_config
from training.data.tokens import Tokens
from training.events import Estimated, Event, Note, Stepped
from training.loop.batches import plan_batches
from training.loop.session import TrainingSession
from training.model import device
from userbot.domain.errors import TrainingStoppedError
from userbot.store.runs import HELD_OUT, TRAIN, RunFolder


class Clock:
    """Progress that remembers when each update was done, and the lines of the run."""

    def __init__(self) -> None:
        self.done: list[tuple[float, int]] = []
        self.losses: list[float] = []
        self.estimate: Estimated | None = None
        self.lines: list[str] = []

    def report(self, event: Event) -> None:
        """Take an event."""
        match event:
            case Stepped():
                self.done.append((time.perf_counter(), event.step))
                self.losses.append(event.loss)
            case Estimated():
                self.estimate = event
            case Note():
                self.lines.append(event.text)
            case _:
                pass

    def has_timed(self, seconds: float, *, warm: int) -> bool:
        """Tell whether updates after the warm-up were timed for so long."""
        first = next((at for at, step in self.done if step >= warm), None)
        return first is not None and self.done[-1][0] - first > seconds

    def find_ends(self, warm: int) -> tuple[tuple[float, int], tuple[float, int]]:
        """Return time and number of the first and the last update to count.

        Losses are reported in groups when the last of them is there: only that one's time is that of its update.
        """
        later = [*self.done[1:], (math.inf, 0)]
        groups = [pair for pair, after in zip(self.done, later, strict=True) if after[0] - pair[0] > 1e-3]
        groups = [pair for pair in groups if pair[1] >= warm]
        return groups[0], groups[-1]


def run_ours(name: str, work: Path, shape: dict[str, int], seconds: float) -> dict[str, Any]:
    """Train, and time the updates after the warm-up."""
    variant = OURS[name]
    pretend(variant)
    warm = variant.warm if shape is FULL else 1
    settings = {"save_every": 10**6, "data": {"max_tokens": 256}, "epochs": 20, **variant.settings}
    config = make_config(variant.preset, settings)
    run = RunFolder.create(work / "runs", datetime.now(UTC))
    for folder, count in ((TRAIN, 8000 if shape is FULL else 80), (HELD_OUT, 8)):
        lay_out(invent_samples(count, shape["vocab_size"])).save(run.path / folder)
    progress, began = Clock(), time.perf_counter()
    session = TrainingSession.load(
        config,
        base=str(work / "base"),
        models=work / "models",
        run=run,
        parent=None,
        active=None,
        progress=progress,
    )
    loaded = time.perf_counter() - began
    if torch.cuda.is_available():
        torch.cuda.reset_peak_memory_stats()
    with suppress(TrainingStoppedError):
        session.train(should_stop=lambda: progress.has_timed(seconds, warm=warm))
    batches, _ = plan_batches(config, session.train_tokens)
    (start, first), (end, last) = progress.find_ends(warm)
    estimate = progress.estimate
    return {
        "seconds": end - start,
        "updates": last - first,
        "lengths": session.train_tokens.lengths[np.concatenate(batches[first:last])].tolist(),
        "adapter": sum(p.numel() for p in session.model.parameters() if p.requires_grad),
        "losses": progress.losses,
        "lines": progress.lines,
        "warm_s": round(start - began - loaded, 1),
        "load_s": round(loaded, 1),
        "estimated_tokens_per_s": estimate.tokens_per_s if estimate else None,
        "estimated_gib": (estimate.memory_gib or {}).get("total") if estimate else None,
        "max_pack_tokens": estimate.max_pack_tokens if estimate else None,
    }


def pretend(variant: Ours) -> None:
    """Make this GPU look like a smaller or an older one."""
    if not torch.cuda.is_available():
        return
    _, whole = torch.cuda.mem_get_info()
    if variant.memory_gib is not None:
        limit = int(variant.memory_gib * 2**30)
        torch.cuda.set_per_process_memory_fraction(limit / whole)  # beyond it, memory runs out
        torch.cuda.mem_get_info = lambda *_: (limit, limit)
    if (capability := variant.capability) is not None:
        device.read_capability = lambda: capability  # torch's own function decides what is compiled


def lay_out(samples: list[list[int]]) -> Tokens:
    """Return samples of which every token but the first is supervised."""
    offsets = np.concatenate(([0], np.cumsum([len(sample) for sample in samples]))).astype(np.int64)
    loss_mask = np.ones(offsets[-1], dtype=np.bool_)
    loss_mask[offsets[:-1]] = False
    zeros = np.zeros(len(samples), dtype=np.int64)
    flat = np.concatenate(samples).astype(np.int32)
    return Tokens(ids=flat, loss_mask=loss_mask, offsets=offsets, chats=zeros, characters=zeros + 1)
