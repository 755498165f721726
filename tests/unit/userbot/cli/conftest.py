"""What tests of the commands share: a home folder, its store, and a way to run `clone` in this process."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from command_line import Clone

from userbot.cli import screen
from userbot.store import Store
from userbot.store.facts import TERMS_SHOWN


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    for console in (screen.console, screen.errors):
        monkeypatch.setattr(console, "_width", 200)
    return tmp_path / "home"


@pytest.fixture
def store(home: Path) -> Iterator[Store]:
    """The store that the commands open too, on the clock of the machine; the terms were shown."""
    with Store.open(home / "clone.db") as opened:
        opened.facts.set(TERMS_SHOWN, opened.clock())
        yield opened


@pytest.fixture
def clone(home: Path) -> Clone:
    return Clone(home)
