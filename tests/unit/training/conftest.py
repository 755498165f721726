"""Fixtures that tests of training share."""

from __future__ import annotations

from pathlib import Path

import pytest
from models import make_base


@pytest.fixture(scope="session")
def mistral(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of a small Mistral of random weights; no test may change it."""
    return make_base(tmp_path_factory.mktemp("base") / "mistral")
