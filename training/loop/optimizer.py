"""Optimiser and learning rate."""

from __future__ import annotations

import math

import torch

from training.config import TrainConfig


def make_optimizer(parameters: list[torch.nn.Parameter], config: TrainConfig, *, device: str) -> torch.optim.Optimizer:
    """Make the configured optimiser.

    Args:
        parameters: What it updates.
        config: Which one, with which learning rate and weight decay.
        device: `cuda` or `cpu`.
    """
    if config.optimizer == "paged_adamw_8bit":
        import bitsandbytes

        # Main memory has no pages to move.
        kind = bitsandbytes.optim.PagedAdamW8bit if device == "cuda" else bitsandbytes.optim.AdamW8bit
        in_8bit: torch.optim.Optimizer = kind(parameters, lr=config.learning_rate, weight_decay=config.weight_decay)
        return in_8bit
    return torch.optim.AdamW(
        parameters, lr=config.learning_rate, weight_decay=config.weight_decay, fused=device == "cuda"
    )


def reset_optimizer(optimizer: torch.optim.Optimizer) -> None:
    """Set an optimiser back to before its first step, in place.

    Args:
        optimizer: From `make_optimizer`.
    """
    for state in optimizer.state.values():
        for name, value in state.items():
            if name == "step" and not isinstance(value, torch.Tensor):
                state[name] = 0
            elif isinstance(value, torch.Tensor) and not name.startswith("qmap"):  # the 256 values of 8 bits
                value.zero_()


def set_rate(optimizer: torch.optim.Optimizer, config: TrainConfig, *, step: int, total: int) -> float:
    """Set the learning rate of an update, and return it.

    Args:
        optimizer: Changed in place.
        config: Peak, warm-up and schedule.
        step: Updates done before.
        total: Updates of the run.
    """
    rate = config.learning_rate * compute_rate_share(config.schedule, config.warmup_steps, step=step, total=total)
    for group in optimizer.param_groups:
        group["lr"] = rate
    return rate


def compute_rate_share(schedule: str, warmup: int, *, step: int, total: int) -> float:
    """Return the learning rate as a share of its peak: up in a line, then along the schedule to 0.

    Args:
        schedule: `cosine`, `linear` or `constant`.
        warmup: Updates until the peak.
        step: Updates done before.
        total: Updates of the run.
    """
    if step < warmup:
        return (step + 1) / (warmup + 1)
    done = (step - warmup) / max(1, total - warmup)
    if schedule == "cosine":
        return 0.5 * (1 + math.cos(math.pi * done))
    return 1 - done if schedule == "linear" else 1.0
