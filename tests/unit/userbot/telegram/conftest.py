"""An account on a loopback Telegram, for the tests of the Telegram side."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from telegram_stage import Stage

from userbot.loopback import LoopbackTelegram
from userbot.store import Store


@pytest.fixture
async def stage(tmp_path: Path, store: Store) -> AsyncIterator[Stage]:
    """The owner, logged in, and Vera."""
    async with LoopbackTelegram() as server:
        prepared = Stage.set_up(server, tmp_path, store)
        await prepared.log_in()
        yield prepared
