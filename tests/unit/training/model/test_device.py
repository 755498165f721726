"""What this device can compute with."""

from __future__ import annotations

import pytest
import torch

from training.model.device import (
    GIB,
    Device,
    can_run_kernels,
    inspect_device,
    is_out_of_memory,
    read_free_memory,
    read_peak_memory,
)

CPU = Device(type="cpu", name="", free_bytes=1, bfloat16=False)
T4 = Device(type="cuda", name="T4", free_bytes=15 * GIB, bfloat16=False)
H200 = Device(type="cuda", name="H200", free_bytes=138 * GIB, bfloat16=True, flash=True)


def test_this_device_says_what_it_has() -> None:
    device = inspect_device()
    assert device.free_bytes > 0
    assert device.name
    assert device.type == ("cuda" if torch.cuda.is_available() else "cpu")


@pytest.mark.parametrize(
    ("device", "setting", "expected"),
    [
        (CPU, "auto", torch.float32),
        (CPU, "float16", torch.float32),
        (CPU, "bfloat16", torch.bfloat16),
        (T4, "auto", torch.float16),
        (T4, "float32", torch.float32),
        (H200, "auto", torch.bfloat16),
        (H200, "float16", torch.float16),
    ],
)
def test_the_device_chooses_the_format_that_is_quick_on_it(device: Device, setting: str, expected: torch.dtype) -> None:
    assert device.choose_dtype(setting) is expected


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU here")
def test_kernels_do_not_run_without_a_gpu() -> None:
    assert not can_run_kernels()


def test_memory_is_told_in_bytes() -> None:
    held = torch.zeros(2**22)
    assert held.numel() * held.itemsize < read_peak_memory("cpu") < 2**40
    assert 2**20 < read_free_memory() < 2**50


@pytest.mark.parametrize(
    ("exc", "expected"),
    [
        (torch.OutOfMemoryError("CUDA out of memory"), True),
        (MemoryError(), True),
        (
            RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried to allocate 8 bytes"),
            True,
        ),
        (RuntimeError("shapes do not match"), False),
    ],
)
def test_only_running_out_of_memory_counts_as_that(exc: Exception, expected: bool) -> None:
    assert is_out_of_memory(exc) is expected
