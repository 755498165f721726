"""Fixtures that every layer of tests shares."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from fakes import FakeClock
from telegram_stage import Stage

from userbot.domain.messages import Chat, ChatKind
from userbot.loopback import LoopbackTelegram
from userbot.store import Store

# Before torch loads: with tests side by side, threads that wait busily would take the time from each other.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def store(tmp_path: Path, clock: FakeClock) -> Iterator[Store]:
    with Store.open(tmp_path / "home" / "clone.db", clock) as opened:
        yield opened


@pytest.fixture
def friend(store: Store) -> Chat:
    chat = Chat(id=101, kind=ChatKind.PRIVATE, title="Vera", username="vera", access_hash=7)
    store.chats.save([chat])
    return chat


@pytest.fixture
async def server() -> AsyncIterator[LoopbackTelegram]:
    """Telegram, on 127.0.0.1."""
    async with LoopbackTelegram() as running:
        yield running


@pytest.fixture
async def stage(server: LoopbackTelegram, tmp_path: Path, store: Store) -> Stage:
    """The owner, logged in on that Telegram, and Vera."""
    prepared = Stage.set_up(server, tmp_path, store)
    await prepared.log_in()
    return prepared
