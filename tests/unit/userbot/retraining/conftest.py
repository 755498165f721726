"""The stage that the tests of retraining share."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from fakes_retraining import RetrainingStage

from userbot.store import Store


@pytest.fixture
async def stage(store: Store, tmp_path: Path) -> AsyncIterator[RetrainingStage]:
    made = RetrainingStage(store, tmp_path)
    yield made
    made.thread.close()
