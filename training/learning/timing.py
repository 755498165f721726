"""How quick training will be, measured before it starts."""

from __future__ import annotations

import time

import torch

from training.learning.optimizer import forget
from training.learning.packing import Ints
from training.learning.trainer import Trainer, is_out_of_memory

_PLAYS = 5  # of recorded rows: one alone takes longer, because none follows it closely


def measure_speed(trainer: Trainer) -> float | None:
    """Run rows of an update of median length, and the optimiser, without learning from them.

    The first row stands for all but the last one: rows are filled up, and the last holds what is left.

    Returns:
        Useful tokens a second, the first runs apart; None when memory ran out.
    """
    lengths = trainer.tokens.lengths
    by_tokens = sorted(trainer.plan, key=lambda samples: int(lengths[samples].sum()))
    update = by_tokens[len(by_tokens) // 2]
    rows = trainer.cut(update)
    learned = int(trainer.tokens.learned[update].sum())
    trainer.reader.model.train()
    try:
        seconds = _time_row(trainer, rows[0], learned) * max(1, len(rows) - 1)
        if len(rows) > 1:
            seconds += _time_row(trainer, rows[-1], learned)
        return int(lengths[update].sum()) / max(seconds + _time_optimizer(trainer), 1e-9)
    except (RuntimeError, MemoryError) as exc:
        if not is_out_of_memory(exc):
            raise
        return None
    finally:
        trainer.clear_gradients()


def _time_row(trainer: Trainer, samples: Ints, learned: int) -> float:
    """Return the seconds of a row, after as many runs as it takes until nothing is compiled or recorded any more."""
    warm, timed = (1, 1) if trainer.recorder is None else (2, _PLAYS)
    for _ in range(warm):
        trainer.learn(samples, learned)
    began = _look(trainer)
    for _ in range(timed):
        trainer.learn(samples, learned)
    return (_look(trainer) - began) / timed


def _time_optimizer(trainer: Trainer) -> float:
    """Return the seconds of an optimiser step, the first one apart; nothing is changed by it."""
    scale = trainer.scaler.state_dict()
    for group in trainer.optimizer.param_groups:
        group["lr"] = 0.0
    trainer.apply()
    trainer.scaler.load_state_dict(scale)
    began = _look(trainer)
    trainer.apply()
    seconds = _look(trainer) - began
    trainer.scaler.load_state_dict(scale)
    forget(trainer.optimizer)
    return seconds


def _look(trainer: Trainer) -> float:
    if trainer.reader.device == "cuda":
        torch.cuda.synchronize()
    return time.monotonic()
