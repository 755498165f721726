"""Kernels that begin while the one before them still runs.

Decoding one token takes some 300 kernels of a few microseconds each, and starting each after the last has ended leaves
the memory idle in between. On GPUs of compute capability 9 a kernel may be started early: it does what needs nothing of
the one before, such as asking for its weights, then waits for that one's results.

Source: NVIDIA, "CUDA C++ Programming Guide", programmatic dependent launch; PTX's `griddepcontrol`.
"""

# ruff: noqa: N803 - constants of a kernel are capitals, as Triton writes them

from __future__ import annotations

from functools import cache
from typing import Any

from training.kernels.optional_triton import jit, tl
from training.model.device import can_run_kernels, read_capability

_LEAST_CAPABILITY = (9, 0)


@cache
def can_overlap() -> bool:
    """Tell whether kernels may begin early here."""
    return can_run_kernels() and read_capability() >= _LEAST_CAPABILITY


def launch_options(overlap: bool) -> dict[str, Any]:
    """Return the options of a launch that may begin early.

    Args:
        overlap: The kernel waits for the one before it by itself.
    """
    return {"launch_pdl": True} if overlap else {}


@jit
def let_next_begin():  # type: ignore[no-untyped-def]  # Triton compiles it
    tl.extra.cuda.gdc_launch_dependents()


@jit
def wait_for_last():  # type: ignore[no-untyped-def]  # Triton compiles it
    tl.extra.cuda.gdc_wait()


@jit
def fetch_ahead(start, LENGTH: tl.constexpr, PADDED: tl.constexpr):  # type: ignore[no-untyped-def]  # Triton compiles it
    """Ask for bytes that are needed soon, so that they come into the cache meanwhile."""
    at = tl.arange(0, PADDED) * 128
    tl.inline_asm_elementwise(
        "prefetch.global.L2 [$1]; mov.u32 $0, 0;",
        "=r,l",
        [start + tl.where(at < LENGTH, at, 0)],
        dtype=tl.int32,
        is_pure=False,
        pack=1,
    )
