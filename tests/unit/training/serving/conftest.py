"""A small base model, and engines on it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from models import make_base

from training.model.base import load_base, resolve_base
from training.serving.engine import Engine
from training.serving.start import EngineLimits, start_engine


@pytest.fixture(scope="session")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_base(tmp_path_factory.mktemp("base") / "mistral")


@pytest.fixture
def model(base: Path) -> Any:
    found = resolve_base(str(base), models_dir=base)
    return load_base(found, quantised=False, compute_dtype=torch.float32, device="cpu")[0]


@pytest.fixture
def make_engine(model: Any) -> Callable[..., Engine]:
    """Return what makes an engine on the model; keyword arguments are those of its limits."""

    def make(**limits: Any) -> Engine:
        engine, line = start_engine(
            model, EngineLimits(**{"mode": "on", "capacity": 160, "max_new_tokens": 64, **limits})
        )
        assert engine is not None, line
        return engine

    return make
