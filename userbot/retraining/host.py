"""What the machine says of itself: whether it is on mains power, and how busy its GPU is."""

from __future__ import annotations

import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

SUPPLIES = Path("/sys/class/power_supply")

_TIMEOUT_S = 20


@dataclass(frozen=True, slots=True)
class GpuLoad:
    """How busy the GPUs are.

    Args:
        percent: Utilisation of the busiest one, percent.
        free_mb: Free memory of the fullest one, MiB.
    """

    percent: int
    free_mb: int


def is_on_mains(supplies: Path = SUPPLIES) -> bool:
    """Tell whether the machine runs on mains power: no battery of its own is discharging.

    Batteries of mice and headsets don't count. Where there is nothing to read, as on a desktop, the answer is yes.

    Args:
        supplies: One folder per power supply, as Linux has them.
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
        output = subprocess.run(  # noqa: S603  # fixed words
            command, capture_output=True, text=True, timeout=_TIMEOUT_S, check=True
        ).stdout
        gpus = [[int(value) for value in line.split(",")] for line in output.splitlines() if line.strip()]
        return GpuLoad(percent=max(gpu[0] for gpu in gpus), free_mb=min(gpu[1] for gpu in gpus))
    except (OSError, subprocess.SubprocessError, ValueError, IndexError):
        return None


def _read(path: Path) -> str:
    try:
        return path.read_text("utf-8").strip()
    except OSError:
        return ""
