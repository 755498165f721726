"""The embedded base model `tiny`: its packed files, and `materialise`, which expands them; README.md is its card."""

from __future__ import annotations

from training.tiny.embedded import materialise

__all__ = ["materialise"]
