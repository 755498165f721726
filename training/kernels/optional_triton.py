"""Triton where it is installed, which is with torch for CUDA only, and stand-ins elsewhere.

With the stand-ins a module that defines kernels can be imported, and its references run; launching a kernel raises.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import Any


class MissingTriton:
    """Stand in for `triton` and `triton.language`."""

    def constexpr(self, value: Any) -> Any:
        """Return the value: a constant of a kernel that is never compiled."""
        return value

    def jit(self, kernel: Callable[..., Any]) -> Any:
        """Return the function that would have been compiled."""
        return kernel

    def __getattr__(self, name: str) -> Any:
        """Refuse anything else.

        Raises:
            ImportError: Always; the text names what is missing.
        """
        raise ImportError(f"A kernel needs triton ({name}), which is not installed: it comes with torch for CUDA.")


triton: Any
tl: Any
try:
    triton, tl = importlib.import_module("triton"), importlib.import_module("triton.language")
except ImportError:
    triton = tl = MissingTriton()
jit: Callable[[Callable[..., Any]], Any] = triton.jit
