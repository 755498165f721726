"""When training may start unattended: hours of the day, mains power, an idle GPU."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, tzinfo

from userbot.domain.hours import Hours
from userbot.retraining.host import GpuLoad, is_on_mains, read_gpu_load

MAX_IDLE_PERCENT = 10
"""A GPU that is used more than this computes something."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Conditions:
    """When to retrain, and how.

    Args:
        turns: New turns of the owner that start a training; None starts none.
        hours: Start only within these, on the clock of `zone`.
        zone: Time zone of the hours; None is the machine's.
        only_on_ac: Start only on mains power.
        only_idle_gpu: Start only while nothing else computes on the GPU.
        gpu_free_mb: GPU memory that training needs, MiB: where less is free, the serving model is suspended.
        continue_from_active: Continue from the active adapter rather than starting afresh.
    """

    turns: int | None = None
    hours: Hours | None = None
    zone: tzinfo | None = None
    only_on_ac: bool = False
    only_idle_gpu: bool = False
    gpu_free_mb: int | None = None
    continue_from_active: bool = False


@dataclass(frozen=True, slots=True)
class Host:
    """What conditions ask of the machine.

    Args:
        is_on_mains: Tells whether it runs on mains power.
        read_gpu_load: Tells how busy its GPU is; None where there is none.
    """

    is_on_mains: Callable[[], bool] = is_on_mains
    read_gpu_load: Callable[[], GpuLoad | None] = read_gpu_load


def find_obstacle(conditions: Conditions, host: Host, now: datetime) -> str | None:
    """Tell why training may not start now. It may call the GPU's tool, which takes a moment.

    Args:
        conditions: When training may start.
        host: The machine.
        now: Aware.

    Returns:
        The reason, as a clause for the owner; None where training may start.
    """
    hours = conditions.hours
    if hours is not None and not hours.holds(now.astimezone(conditions.zone).time()):
        return f"it is not between {hours.start:%H:%M} and {hours.end:%H:%M}"
    if conditions.only_on_ac and not host.is_on_mains():
        return "the machine runs on its battery"
    if conditions.only_idle_gpu:
        load = host.read_gpu_load()
        if load is not None and load.percent > MAX_IDLE_PERCENT:
            return f"the GPU is busy ({load.percent}%)"
    return None
