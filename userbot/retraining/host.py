"""The machine's mood: is it on mains power, is its GPU free?"""

from __future__ import annotations

import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

SUPPLIES = Path("/sys/class/power_supply")
IDLE_PERCENT = 10


@dataclass(frozen=True, slots=True)
class GpuLoad:
    """How busy the busiest GPU is, percent, and how much memory the fullest one has free, MiB."""

    percent: int
    free_mb: int


def is_on_mains(supplies: Path = SUPPLIES) -> bool:
    """Tell whether the machine runs on mains power: no battery of its own is discharging.

    Batteries of mice and headsets don't count. Where there is nothing to read, as on a desktop, the answer is yes.

    Args:
        supplies: One folder a supply, as Linux has them.
    """
    for supply in supplies.glob("*"):
        values = {name: _read(supply / name) for name in ("type", "scope", "status")}
        if values["type"] == "Battery" and values["scope"] != "Device" and values["status"] == "Discharging":
            return False
    return True


def read_gpu_load() -> GpuLoad | None:
    """Ask NVIDIA's tool for the load; None where there is no such GPU, or no answer."""
    tool = shutil.which("nvidia-smi")
    if tool is None:
        return None
    command = [tool, "--query-gpu=utilization.gpu,memory.free", "--format=csv,noheader,nounits"]
    try:
        found = subprocess.run(command, capture_output=True, text=True, timeout=20, check=True).stdout  # noqa: S603 - fixed words
        rows = [[int(value) for value in line.split(",")] for line in found.splitlines() if line.strip()]
        return GpuLoad(max(row[0] for row in rows), min(row[1] for row in rows))
    except (OSError, subprocess.SubprocessError, ValueError, IndexError):
        return None


def _read(path: Path) -> str:
    try:
        return path.read_text("utf-8").strip()
    except OSError:
        return ""
