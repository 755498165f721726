"""Tidying up: backups of the database, and old adapters and runs."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Collection, Iterator
from contextlib import closing
from datetime import datetime
from pathlib import Path

from userbot.domain.errors import StoreError
from userbot.store.adapters import AdapterShelf
from userbot.store.runs import RunFolder, list_runs


def back_up(database: Path, folder: Path, *, now: datetime, keep: int) -> Path:
    """Copy the live database with SQLite's own backup, and delete the oldest copies; all 0600.

    Writers are not held up, and the copy is consistent, whatever is written meanwhile.

    Args:
        database: The file to copy.
        folder: Where copies go; made 0700 if missing.
        now: Names the copy.
        keep: Copies to keep, this one among them.

    Returns:
        The new copy.

    Raises:
        StoreError: It can't be written; no half copy stays.
    """
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    path = folder / f"clone-{now:%Y%m%d-%H%M%S}.db"
    draft = folder / f".{path.name}"
    draft.unlink(missing_ok=True)
    draft.touch(mode=0o600)
    try:
        with (
            closing(sqlite3.connect(f"{database.absolute().as_uri()}?mode=ro", uri=True)) as source,
            closing(sqlite3.connect(draft)) as target,
        ):
            source.backup(target)
            # A copy of a database in WAL mode would make two more files beside it when opened.
            target.execute("PRAGMA journal_mode = DELETE")
    except sqlite3.Error as exc:
        draft.unlink(missing_ok=True)
        raise StoreError(f"The backup {path} can't be written: {exc}. Make room there, or check the disk.") from exc
    draft.replace(path)
    for old in sorted(folder.glob("clone-*.db"))[:-keep]:
        old.unlink()
    return path


def prune_adapters(shelf: AdapterShelf, *, keep_last: int, budget_bytes: int | None = None) -> list[str]:
    """Delete old adapters; never the one in service, nor the one a rollback would take.

    Args:
        shelf: The adapters.
        keep_last: How many of the others to keep at most, the newest.
        budget_bytes: Disk that all together may take; the oldest go until they do. None sets no limit.

    Returns:
        Ids of those deleted, oldest first.
    """
    protected = set(shelf.active_and_previous())
    spare = [manifest.id for manifest in shelf.all() if manifest.id not in protected]
    gone = spare[: max(0, len(spare) - keep_last)]
    if budget_bytes is not None:
        sizes = {manifest.id: measure_folder(shelf.path(manifest.id)) for manifest in shelf.all()}
        total = sum(size for name, size in sizes.items() if name not in gone)
        for name in spare[len(gone) :]:
            if total <= budget_bytes:
                break
            gone.append(name)
            total -= sizes[name]
    for name in gone:
        shelf.remove(name)
    return gone


def prune_runs(runs: Path, *, adapters: Collection[str], keep_last: int) -> list[str]:
    """Delete folders of training runs, but those of adapters that still exist and the newest few.

    Args:
        runs: `<home>/runs`.
        adapters: Ids of those that exist.
        keep_last: Newest runs to keep whatever became of them.
    """
    known = list_runs(runs)
    gone = [run for run in known[: max(0, len(known) - keep_last)] if _find_adapter(run) not in adapters]
    for run in gone:
        shutil.rmtree(run.path, ignore_errors=True)
    return [run.id for run in gone]


def prune_reports(reports: Path, *, adapters: Collection[str]) -> list[str]:
    """Delete the reports of adapters that are gone.

    Args:
        reports: `<home>/reports`, a folder an adapter.
        adapters: Ids of those that exist.
    """
    gone = [path for path in sorted(reports.glob("*")) if path.is_dir() and path.name not in adapters]
    for path in gone:
        shutil.rmtree(path, ignore_errors=True)
    return [path.name for path in gone]


def _find_adapter(run: RunFolder) -> str | None:
    record = run.read()
    return None if record is None else record.adapter_id


def measure_folder(folder: Path) -> int:
    """Return the bytes of all files in a folder."""
    return sum(_sizes(folder))


def _sizes(folder: Path) -> Iterator[int]:
    for path in folder.rglob("*"):
        if path.is_file():
            yield path.stat().st_size
