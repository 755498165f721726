"""When a training may start by itself: hours of the day, mains power, an idle GPU."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, tzinfo

from userbot.domain.hours import Hours
from userbot.retraining.host import IDLE_PERCENT, GpuLoad, is_on_mains, read_gpu_load


@dataclass(frozen=True, slots=True, kw_only=True)
class Conditions:
    """When to retrain, and how.

    Args:
        turns: New owner turns that start a training; None counts none.
        hours: Only start within these, on the clock of `zone`.
        zone: Time zone of the hours; None is the machine's.
        only_on_ac: Only start on mains power.
        only_idle_gpu: Only start while the GPU has nothing else to compute.
        gpu_free_mb: GPU memory that training needs, MiB: where less is free, the clone pauses and its model is
            suspended.
        continue_from_active: Train on from the active adapter rather than afresh.
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
    """Return why a training may not start now, or None. It may ask the GPU's tool, which takes a moment."""
    hours = conditions.hours
    if hours is not None and not hours.holds(now.astimezone(conditions.zone).time()):
        return f"it is not between {hours.start:%H:%M} and {hours.end:%H:%M}"
    if conditions.only_on_ac and not host.is_on_mains():
        return "the machine runs on its battery"
    if conditions.only_idle_gpu:
        load = host.read_gpu_load()
        if load is not None and load.percent > IDLE_PERCENT:
            return f"the GPU is busy ({load.percent}%)"
    return None
