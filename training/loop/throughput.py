"""How quick training will be, measured before it starts."""

from __future__ import annotations

import time

import torch

from training.data.tokens import Ints
from training.loop.optimizer import reset_optimizer
from training.loop.trainer import Trainer
from training.model.device import is_out_of_memory

_REPLAYS = 5  # of a CUDA graph: one alone takes longer, because none follows it closely
# Forward passes that are timed after another one: kernels are made for each new length, as they are in training. Quick
# ones vary more, and more of them are timed.
_FEWEST, _MOST, _ENOUGH_S = 2, 16, 1.0


def measure_throughput(trainer: Trainer) -> float | None:
    """Run forward and backward passes of updates of median length, and the optimiser, without training.

    First passes stand for all but last ones: they are filled up, and the last of an update holds what is left.

    Args:
        trainer: As it will train; unchanged afterwards.

    Returns:
        Useful tokens a second, the first runs apart; None when memory ran out.
    """
    lengths = trainer.tokens.lengths
    by_tokens = sorted(trainer.batches, key=lambda samples: int(lengths[samples].sum()))
    middle = len(by_tokens) // 2
    update, others = by_tokens[middle], by_tokens[middle + 1 : middle + 1 + _MOST]
    timed = [update] * _REPLAYS if trainer.graphs is not None else others or [update]
    passes = len(trainer.split(update))
    trainer.lm.model.train()
    try:
        seconds = _time_passes(trainer, update, timed, place=0) * max(1, passes - 1)
        if passes > 1:
            seconds += _time_passes(trainer, update, timed, place=-1)
        return int(lengths[update].sum()) / max(seconds + _time_optimizer(trainer), 1e-9)
    except (RuntimeError, MemoryError) as exc:
        if not is_out_of_memory(exc):
            raise
        return None
    finally:
        trainer.clear_gradients()


def _time_passes(trainer: Trainer, warm_up: Ints, timed: list[Ints], *, place: int) -> float:
    """Return the mean seconds of the passes at one place of some updates, after warming up with that of another."""

    def run(update: Ints) -> None:
        trainer.backward(trainer.split(update)[place], int(trainer.tokens.supervised[update].sum()))

    for _ in range(1 if trainer.graphs is None else 2):  # the second run is the one that is captured
        run(warm_up)
    began = _read_clock(trainer)
    for count, update in enumerate(timed, start=1):
        run(update)
        if trainer.graphs is None and count >= _FEWEST and _read_clock(trainer) - began > _ENOUGH_S:
            break
    return (_read_clock(trainer) - began) / count


def _time_optimizer(trainer: Trainer) -> float:
    """Return the seconds of an optimiser step, the first one apart; nothing is changed by it."""
    scale = trainer.scaler.state_dict()
    for group in trainer.optimizer.param_groups:
        group["lr"] = 0.0
    trainer.step_optimizer()
    trainer.scaler.load_state_dict(scale)
    began = _read_clock(trainer)
    trainer.step_optimizer()
    seconds = _read_clock(trainer) - began
    trainer.scaler.load_state_dict(scale)
    reset_optimizer(trainer.optimizer)
    return seconds


def _read_clock(trainer: Trainer) -> float:
    """Return the time, seconds, after all that was started is done."""
    if trainer.lm.device == "cuda":
        torch.cuda.synchronize()
    return time.monotonic()
