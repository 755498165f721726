"""How quick training will be, measured before it starts."""

from __future__ import annotations

import time

import torch

from training.learning.optimizer import forget
from training.learning.trainer import Trainer, is_out_of_memory

_ROWS = 2  # on a GPU: rows of other lengths may take other kernels
_PLAYS = 5  # of recorded rows: one alone takes longer, because none follows it closely


def measure_speed(trainer: Trainer) -> float | None:
    """Run rows of an update of median length, and the optimiser, without learning from them.

    Returns:
        Useful tokens a second, the first runs apart; None when memory ran out.
    """
    lengths, learned = trainer.tokens.lengths, trainer.tokens.learned
    by_tokens = sorted(trainer.plan, key=lambda samples: int(lengths[samples].sum()))
    update = by_tokens[len(by_tokens) // 2]
    rows = trainer.cut(update)[: _ROWS if trainer.reader.device == "cuda" else 1]
    warm, timed = (1, 1) if trainer.recorder is None else (2, _PLAYS)
    total = int(learned[update].sum())
    trainer.reader.model.train()
    try:
        for samples in rows * warm:
            trainer.learn(samples, total)
        began = _look(trainer)
        for samples in rows * timed:
            trainer.learn(samples, total)
        a_token = (_look(trainer) - began) / (timed * sum(int(lengths[samples].sum()) for samples in rows))
        tokens = int(lengths[update].sum())
        return tokens / max(a_token * tokens + _time_optimizer(trainer), 1e-9)
    except (RuntimeError, MemoryError) as exc:
        if not is_out_of_memory(exc):
            raise
        return None
    finally:
        trainer.clear_gradients()


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
