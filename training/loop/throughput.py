"""How quick training will be, measured before it starts."""

from __future__ import annotations

import time

import torch

from training.data.tokens import Ints
from training.loop.optimizer import forget
from training.loop.trainer import Trainer, is_out_of_memory

_PLAYS = 5  # of a graphed row: one alone takes longer, because none follows it closely
# Rows that are timed after another one: kernels are made for each new length, as they are in training. Quick ones vary
# more, and more of them are timed.
_FEWEST, _MOST, _ENOUGH_S = 2, 16, 1.0


def measure_throughput(trainer: Trainer) -> float | None:
    """Run rows of updates of median length, and the optimiser, without learning from them.

    First rows stand for all but last ones: rows are filled up, and the last of an update holds what is left.

    Returns:
        Useful tokens a second, the first runs apart; None when memory ran out.
    """
    lengths = trainer.tokens.lengths
    by_tokens = sorted(trainer.plan, key=lambda samples: int(lengths[samples].sum()))
    middle = len(by_tokens) // 2
    update, others = by_tokens[middle], by_tokens[middle + 1 : middle + 1 + _MOST]
    timed = [update] * _PLAYS if trainer.graphs is not None else others or [update]
    rows = len(trainer.cut(update))
    trainer.lm.model.train()
    try:
        seconds = _time_rows(trainer, update, timed, place=0) * max(1, rows - 1)
        if rows > 1:
            seconds += _time_rows(trainer, update, timed, place=-1)
        return int(lengths[update].sum()) / max(seconds + _time_optimizer(trainer), 1e-9)
    except (RuntimeError, MemoryError) as exc:
        if not is_out_of_memory(exc):
            raise
        return None
    finally:
        trainer.clear_gradients()


def _time_rows(trainer: Trainer, warm: Ints, timed: list[Ints], *, place: int) -> float:
    """Return the mean seconds of the rows at one place of some updates, after warming up with that of another."""

    def learn(update: Ints) -> None:
        trainer.learn(trainer.cut(update)[place], int(trainer.tokens.supervised[update].sum()))

    for _ in range(1 if trainer.graphs is None else 2):  # the second run is the one that is graphed
        learn(warm)
    began = _look(trainer)
    for count, update in enumerate(timed, start=1):
        learn(update)
        if trainer.graphs is None and count >= _FEWEST and _look(trainer) - began > _ENOUGH_S:
            break
    return (_look(trainer) - began) / count


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
    if trainer.lm.device == "cuda":
        torch.cuda.synchronize()
    return time.monotonic()
