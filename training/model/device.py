"""What this device can compute with: its kind, its memory, and the number format that is quick on it."""

from __future__ import annotations

import gc
import importlib.util
import os
import time
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import torch

GIB = 2**30
_LEAST_CAPABILITY = (8, 0)  # of a GPU for the Triton kernels; below, there is neither bfloat16 nor TF32
_FASTER = 1.5  # bfloat16 must be this much quicker than float32 to be worth its rounding


@dataclass(frozen=True, slots=True, kw_only=True)
class Device:
    """The device that a model is trained on.

    Args:
        type: `cuda` or `cpu`, as torch calls it.
        name: As its maker calls it.
        free_bytes: Memory that training may take, bytes.
        bfloat16: bfloat16 is quick here.
        flash: The FlashAttention inside torch runs here (compute capability 8 and up).
    """

    type: str
    name: str
    free_bytes: int
    bfloat16: bool
    flash: bool = False

    def choose_dtype(self, setting: str = "auto") -> torch.dtype:
        """Turn a setting into the format to compute in; float16 on a CPU means auto.

        Args:
            setting: A value of `compute_dtype`.
        """
        if setting != "auto" and not (setting == "float16" and self.type == "cpu"):
            dtype: torch.dtype = getattr(torch, setting)
            return dtype
        if self.bfloat16:
            return torch.bfloat16
        return torch.float16 if self.type == "cuda" else torch.float32


def inspect_device() -> Device:
    """Look at this device; on a CPU without CUDA, time bfloat16 against float32, which takes some milliseconds."""
    if torch.cuda.is_available():
        free, _ = torch.cuda.mem_get_info()
        modern = read_capability() >= _LEAST_CAPABILITY
        return Device(
            type="cuda",
            name=torch.cuda.get_device_name(),
            free_bytes=free,
            bfloat16=modern,
            flash=modern,
        )
    name = f"CPU, {torch.get_num_threads()} threads"
    return Device(type="cpu", name=name, free_bytes=read_free_memory(), bfloat16=_is_bfloat16_quick())


@cache
def can_run_kernels() -> bool:
    """Tell whether the Triton kernels of `training.kernels` run here."""
    there = importlib.util.find_spec("triton") is not None and torch.cuda.is_available()
    return there and read_capability() >= _LEAST_CAPABILITY


def read_capability() -> tuple[int, int]:
    """Return the GPU's compute capability, major and minor."""
    return torch.cuda.get_device_capability()


@cache
def read_bandwidth() -> float:
    """Return how much the GPU's memory moves at most, as its maker says, bytes a second."""
    gpu = torch.cuda.get_device_properties()
    return 2 * 1e3 * gpu.memory_clock_rate * gpu.memory_bus_width / 8  # kHz, bits; both edges of the clock count


def read_free_memory() -> int:
    """Return how much main memory can be taken, bytes, within the limit of a container too."""
    try:
        lines = Path("/proc/meminfo").read_text("ascii").splitlines()
        free = next(int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable"))
    except (OSError, StopIteration):
        free = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    try:
        group = Path("/sys/fs/cgroup")
        limit = int((group / "memory.max").read_text("ascii"))
        return min(free, max(0, limit - int((group / "memory.current").read_text("ascii"))))
    except (OSError, ValueError):  # no such file, or "max"
        return free


def read_peak_memory(device: str) -> int:
    """Return the most memory that this process has held, bytes: on the GPU, else in main memory.

    Args:
        device: `cuda` or `cpu`.
    """
    if device == "cuda":
        return int(torch.cuda.max_memory_allocated())
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def release_memory() -> None:
    """Give the memory of what nobody holds any more back to the GPU, where other processes can take it."""
    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()


def is_out_of_memory(exc: BaseException) -> bool:
    """Tell whether memory ran out, on a GPU or in main memory.

    Args:
        exc: What torch or Python raised.
    """
    return isinstance(exc, torch.OutOfMemoryError | MemoryError) or "can't allocate memory" in str(exc)


def _is_bfloat16_quick() -> bool:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # several wait for each other, which tells more about what else the device does
    try:
        return _time_product(torch.float32) > _FASTER * _time_product(torch.bfloat16)
    finally:
        torch.set_num_threads(threads)


def _time_product(dtype: torch.dtype, *, rounds: int = 9) -> float:
    """Return the best of some timings of a matrix product as training makes them, seconds."""
    left, right = torch.ones(512, 384, dtype=dtype), torch.ones(1024, 384, dtype=dtype)
    torch.nn.functional.linear(left, right)
    best = float("inf")
    for _ in range(rounds):
        start = time.perf_counter()
        torch.nn.functional.linear(left, right)
        best = min(best, time.perf_counter() - start)
    return best
