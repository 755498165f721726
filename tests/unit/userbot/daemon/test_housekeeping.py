"""Backups and pruning: what is kept, what goes, and that nothing needed is lost."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import pytest
from fakes import START, bubble

from userbot.daemon.housekeeping import back_up, prune_adapters, prune_reports, prune_runs
from userbot.domain.errors import StoreError
from userbot.domain.messages import Chat
from userbot.store import Store
from userbot.store.adapters import AdapterShelf, Manifest, write_json


def make_adapters(shelf: AdapterShelf, *names: str, size: int = 1000) -> None:
    for name in names:
        manifest = Manifest(id=name, base="tiny", created_at="2026-01-05T12:00:00+00:00")
        with shelf.write(manifest) as folder:
            (folder / "adapter_model.safetensors").write_bytes(b"x" * size)


def names_of(shelf: AdapterShelf) -> list[str]:
    return [manifest.id for manifest in shelf.all()]


def test_a_backup_of_a_live_database_is_whole(store: Store, friend: Chat, tmp_path: Path) -> None:
    store.messages.add([bubble(number, "hello") for number in range(1, 50)])
    database = Path(str(store.engine.url.database))

    copy = back_up(database, tmp_path / "backups", now=START, keep=3)

    with Store.open(copy) as opened:
        assert opened.messages.count() == 49
    assert copy.stat().st_mode & 0o777 == 0o600
    assert copy.parent.stat().st_mode & 0o777 == 0o700


def test_only_the_newest_backups_are_kept(store: Store, tmp_path: Path) -> None:
    database = Path(str(store.engine.url.database))

    made = [back_up(database, tmp_path / "b", now=START + timedelta(days=day), keep=2) for day in range(4)]

    assert sorted((tmp_path / "b").iterdir()) == made[2:]


def test_a_backup_that_fails_leaves_no_half_copy(tmp_path: Path) -> None:
    broken = tmp_path / "clone.db"
    broken.write_bytes(b"this is no database at all" * 100)
    folder = tmp_path / "backups"

    with pytest.raises(StoreError) as caught:
        back_up(broken, folder, now=START, keep=2)

    assert str(caught.value) == (
        f"The backup {folder / 'clone-20260105-120000.db'} can't be written: file is not a database. "
        "Make room there, or check the disk."
    )
    assert list(folder.iterdir()) == []


def test_a_backup_can_be_read_without_companion_files(store: Store, tmp_path: Path) -> None:
    copy = back_up(Path(str(store.engine.url.database)), tmp_path / "b", now=START, keep=1)

    with closing(sqlite3.connect(copy)) as connection:
        assert connection.execute("PRAGMA journal_mode").fetchone() == ("delete",)


def test_keep_last_spares_the_newest(shelf: AdapterShelf) -> None:
    make_adapters(shelf, "a", "b", "c", "d")

    assert prune_adapters(shelf, keep_last=2) == ["a", "b"]
    assert names_of(shelf) == ["c", "d"]


def test_the_active_adapter_and_the_one_before_it_are_never_deleted(shelf: AdapterShelf) -> None:
    make_adapters(shelf, "a", "b", "c", "d", "e")
    shelf.activate("a")
    shelf.activate("b")

    prune_adapters(shelf, keep_last=1, budget_bytes=1)

    assert names_of(shelf) == ["a", "b"]
    assert shelf.roll_back().id == "a"


def test_the_disk_budget_takes_the_oldest_first(shelf: AdapterShelf) -> None:
    make_adapters(shelf, "a", "b", "c", "d", size=10_000)

    gone = prune_adapters(shelf, keep_last=10, budget_bytes=25_000)

    assert gone == ["a", "b"]


def test_within_limits_nothing_goes(shelf: AdapterShelf) -> None:
    make_adapters(shelf, "a", "b")

    assert prune_adapters(shelf, keep_last=2, budget_bytes=10**9) == []


def test_runs_of_living_adapters_stay(tmp_path: Path) -> None:
    for name, adapter in (("r1", "a"), ("r2", "b"), ("r3", None), ("r4", "c")):
        folder = tmp_path / "runs" / name
        folder.mkdir(parents=True)
        write_json(folder / "run.json", {"state": "done", "adapter_id": adapter} if adapter else {"state": "running"})

    gone = prune_runs(tmp_path / "runs", adapters={"a"}, keep_last=1)

    assert gone == ["r2", "r3"]
    assert sorted(path.name for path in (tmp_path / "runs").iterdir()) == ["r1", "r4"]


def test_reports_go_with_their_adapters(tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "report.html").touch()

    assert prune_reports(tmp_path, adapters={"b"}) == ["a"]
    assert [path.name for path in tmp_path.iterdir()] == ["b"]
