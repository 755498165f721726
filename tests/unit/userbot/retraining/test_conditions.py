"""Why a training may not start now, condition by condition."""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta, timezone

import pytest

from userbot.domain.hours import Hours
from userbot.retraining.conditions import MAX_IDLE_PERCENT, Conditions, Host, find_obstacle
from userbot.retraining.host import GpuLoad

NOON = datetime(2026, 1, 5, 12, tzinfo=UTC)
FREE = Host(lambda: True, lambda: GpuLoad(0, 9000))


def test_without_conditions_nothing_is_in_the_way() -> None:
    assert find_obstacle(Conditions(), Host(lambda: False, lambda: GpuLoad(100, 0)), NOON) is None


@pytest.mark.parametrize(
    ("hours", "zone", "obstacle"),
    [
        (Hours(time(1), time(6)), UTC, "it is not between 01:00 and 06:00"),
        (Hours(time(11), time(13)), UTC, None),
        (Hours(time(23), time(12, 30)), UTC, None),
        (Hours(time(1), time(6)), timezone(timedelta(hours=-8)), None),
    ],
)
def test_hours_are_those_of_the_zone(hours: Hours, zone: timezone, obstacle: str | None) -> None:
    assert find_obstacle(Conditions(hours=hours, zone=zone), FREE, NOON) == obstacle


@pytest.mark.parametrize(("mains", "obstacle"), [(True, None), (False, "the machine runs on its battery")])
def test_mains_power_can_be_required(mains: bool, obstacle: str | None) -> None:
    host = Host(lambda: mains, lambda: None)

    assert find_obstacle(Conditions(only_on_ac=True), host, NOON) == obstacle


@pytest.mark.parametrize(
    ("load", "obstacle"),
    [
        (None, None),
        (GpuLoad(MAX_IDLE_PERCENT, 0), None),
        (GpuLoad(MAX_IDLE_PERCENT + 1, 9000), f"the GPU is busy ({MAX_IDLE_PERCENT + 1}%)"),
    ],
)
def test_an_idle_gpu_can_be_required(load: GpuLoad | None, obstacle: str | None) -> None:
    host = Host(lambda: True, lambda: load)

    assert find_obstacle(Conditions(only_idle_gpu=True), host, NOON) == obstacle
