"""Delete everything private under the home folder that the program wrote, and nothing else."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from userbot.config.home import HomePaths
from userbot.store import Store
from userbot.store.adapters import MANIFEST
from userbot.store.facts import EXPORTS
from userbot.trust.home_copies import is_export

_RUN = re.compile(r"\d{8}-\d{6}-[0-9a-f]{4}")
"""Names of runs and adapters, see `userbot.store.adapters.new_id`."""

_BESIDE = ("", "-wal", "-shm", "-journal", ".lock")
"""What SQLite and the lock of a session put beside a file."""


@dataclass(frozen=True, slots=True)
class Found:
    """What a purge deletes, and what it leaves.

    Args:
        own: Files and folders that the program wrote.
        foreign: Everything else under the home folder.
    """

    own: tuple[Path, ...]
    foreign: tuple[Path, ...]


def find_private(paths: HomePaths, *, exports: tuple[str, ...] = (), settings: bool = False) -> Found:
    """Find what the program wrote, and what it did not.

    Args:
        paths: Of the home folder.
        exports: Paths of files that commands exported, wherever they are.
        settings: Count the settings, `.env`, as private data to delete.
    """
    own = [path for path in _list_own(paths, settings=settings) if path.exists()]
    own += [path for path in map(Path, exports) if path.exists() and is_export(path)]
    inside = [path for path in sorted(paths.home.rglob("*")) if path.is_file() or path.is_symlink()]
    foreign = [path for path in inside if not any(path == one or one in path.parents for one in own)]
    kept = [path for path in foreign if path != paths.env_file and paths.models not in path.parents]
    return Found(tuple(dict.fromkeys(own)), tuple(kept))


def list_exports(store: Store) -> tuple[str, ...]:
    """Return the paths of the files that commands exported."""
    return tuple(export.path for export in store.facts.get(EXPORTS) or ())


def purge(paths: HomePaths, found: Found) -> None:
    """Delete what was found, the database last, so that a purge that is cut short can be repeated.

    Args:
        paths: Of the home folder; it is removed too where nothing is left in it.
        found: What to delete.
    """
    for path in sorted(found.own, key=lambda one: one.name.startswith(paths.database.name)):
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)
    for folder in (paths.adapters, paths.runs, paths.reports, paths.backups, paths.models, paths.home):
        if folder.is_dir() and not any(folder.iterdir()):
            folder.rmdir()


def _list_own(paths: HomePaths, *, settings: bool) -> Iterator[Path]:
    for file in (paths.session, paths.schedule, paths.database):
        for suffix in _BESIDE:
            yield file.with_name(file.name + suffix)
    yield paths.encryption
    yield paths.forgotten
    yield from paths.home.glob(f".{paths.forgotten.name}.*")
    for folder in (paths.runs, paths.reports, paths.adapters):
        for path in folder.glob("*"):
            if _RUN.fullmatch(path.name.removeprefix(".")) or (path / MANIFEST).is_file():
                yield path
    yield from (paths.report(path.name).folder for path in paths.reports.glob("*") if _is_report(paths, path))
    yield from paths.models.glob(".*")  # converted adapters
    yield from paths.adapters.glob("*.json")
    yield from paths.adapters.glob(".*.json.*")
    for pattern in ("clone-*.db*", ".clone-*.db*"):
        yield from paths.backups.glob(pattern)
    if settings:
        yield paths.env_file


def _is_report(paths: HomePaths, path: Path) -> bool:
    report = paths.report(path.name)
    return report.comparison.is_file() or report.page.is_file()
