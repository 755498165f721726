"""What tests of the daemon's parts share: a context for commands, with a fake daemon."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from daemon_fakes import FakeDaemon

from userbot.daemon.command_context import CommandContext
from userbot.store import Store
from userbot.store.adapters import AdapterShelf
from userbot.store.thread import StoreThread


@pytest.fixture
def daemon() -> FakeDaemon:
    return FakeDaemon()


@pytest.fixture
def thread() -> Iterator[StoreThread]:
    started = StoreThread()
    yield started
    started.close()


@pytest.fixture
def shelf(tmp_path: Path) -> AdapterShelf:
    return AdapterShelf(tmp_path / "adapters")


@pytest.fixture
def context(store: Store, thread: StoreThread, shelf: AdapterShelf, daemon: FakeDaemon) -> CommandContext:
    return CommandContext(store=store, thread=thread, shelf=shelf, daemon=daemon)
