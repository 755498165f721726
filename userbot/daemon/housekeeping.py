"""Housekeeping: backups of the database, and the deletion of old adapters, runs and reports."""

from __future__ import annotations

import shutil
from collections.abc import Collection, Iterable
from contextlib import closing
from datetime import datetime
from pathlib import Path

from userbot.domain.errors import StoreError
from userbot.store.adapters import AdapterShelf
from userbot.store.connection import DRIVER_ERRORS, connect, find_key
from userbot.store.runs import RunFolder, list_runs


def back_up(database: Path, folder: Path, *, now: datetime, keep: int) -> Path:
    """Copy the live database with SQLite's own backup, and delete the oldest copies; files are 0600.

    The copy of an encrypted database is encrypted, and opens by the same passphrase.

    Writers need not wait, and the copy is consistent, whatever is written meanwhile.

    Args:
        database: The file to copy.
        folder: Where copies go; made 0700 if missing.
        now: Time that names the copy.
        keep: Copies to keep, this one among them.

    Returns:
        The path of the new copy.

    Raises:
        StoreError: It can't be written; no half copy is left.
    """
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    path = folder / f"clone-{now:%Y%m%d-%H%M%S}.db"
    draft = folder / f".{path.name}"
    draft.unlink(missing_ok=True)
    draft.touch(mode=0o600)
    key = find_key(database)
    try:
        with (
            closing(connect(database, key, read_only=True)) as source,
            closing(connect(draft, key)) as target,
        ):
            source.backup(target)
            # A copy of a database in WAL mode would make two more files beside it when opened.
            target.execute("PRAGMA journal_mode = DELETE")
    except DRIVER_ERRORS as exc:
        draft.unlink(missing_ok=True)
        raise StoreError(f"The backup {path} can't be written: {exc}. Make room there, or check the disk.") from exc
    draft.replace(path)
    for old in sorted(folder.glob("clone-*.db"))[:-keep]:
        old.unlink()
    return path


def prune_adapters(shelf: AdapterShelf, *, keep_last: int, budget_bytes: int | None = None) -> list[str]:
    """Delete old adapters; never the active one, nor the one that a rollback would activate.

    Args:
        shelf: The adapters.
        keep_last: How many of the others to keep at most, the newest.
        budget_bytes: Disk space for all of them; the oldest are deleted until they fit. None sets no limit.

    Returns:
        Ids of those deleted, oldest first.
    """
    protected = set(shelf.active_and_previous())
    spare = [manifest.id for manifest in shelf.all() if manifest.id not in protected]
    deleted = spare[: max(0, len(spare) - keep_last)]
    if budget_bytes is not None:
        sizes = {manifest.id: measure_folder(shelf.path(manifest.id)) for manifest in shelf.all()}
        total = sum(size for name, size in sizes.items() if name not in deleted)
        for name in spare[len(deleted) :]:
            if total <= budget_bytes:
                break
            deleted.append(name)
            total -= sizes[name]
    for name in deleted:
        shelf.remove(name)
    return deleted


def prune_runs(runs: Path, *, adapters: Collection[str], keep_last: int) -> list[str]:
    """Delete folders of training runs, but those of adapters that still exist and the newest few.

    Args:
        runs: `<home>/runs`.
        adapters: Ids of the adapters that exist.
        keep_last: Newest runs to keep whatever became of them.

    Returns:
        Ids of the deleted runs.
    """
    known = list_runs(runs)
    older = known[: max(0, len(known) - keep_last)]
    return _delete(run.path for run in older if _find_adapter(run) not in adapters)


def prune_reports(reports: Path, *, adapters: Collection[str]) -> list[str]:
    """Delete the reports of adapters that are gone.

    Args:
        reports: `<home>/reports`, one folder per adapter.
        adapters: Ids of the adapters that exist.

    Returns:
        Ids of the adapters whose reports were deleted.
    """
    return _delete(path for path in sorted(reports.glob("*")) if path.is_dir() and path.name not in adapters)


def _delete(folders: Iterable[Path]) -> list[str]:
    names = []
    for path in folders:
        shutil.rmtree(path, ignore_errors=True)
        names.append(path.name)
    return names


def _find_adapter(run: RunFolder) -> str | None:
    record = run.read()
    return None if record is None else record.adapter_id


def measure_folder(folder: Path) -> int:
    """Return the size of all files in a folder, bytes."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
