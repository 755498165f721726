"""Encrypting a home's databases, and the way back: file by file, each whole before and after.

The marker is written first and removed last. Each file is copied into a draft beside it, looked at, and renamed over
the old one, which is locked meanwhile. Wherever this is killed, every file opens, and the next run does the rest.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from userbot.config.home import HomePaths
from userbot.config.passphrase import KEYS, SALT_BYTES, FileKey, derive_key
from userbot.domain.errors import PassphraseError, StoreError
from userbot.store.connection import DRIVER_ERRORS, Marker, check_key, is_plain, load_driver, read_salt, unlock

Progress = Callable[[int, int], None]
"""Bytes done, bytes in all."""

_DRAFT = ".converting"
_COMPANIONS = ("-wal", "-shm", "-journal")
_STEPS_BETWEEN_REPORTS = 100_000  # of SQLite's virtual machine


@dataclass(frozen=True, slots=True, kw_only=True)
class Converted:
    """What a run did.

    Args:
        files: Those that were converted.
        left: Encrypted files that the passphrase does not open.
    """

    files: tuple[Path, ...]
    left: tuple[Path, ...] = ()


def is_encrypted(paths: HomePaths) -> bool:
    """Tell whether a home is encrypted, at least in part."""
    return Marker.read(paths.encryption) is not None or read_salt(paths.database) is not None


def list_plain(paths: HomePaths) -> list[Path]:
    """Return the databases of a home that anyone could read; the scheduler's, which holds no words, is none of them."""
    return [path for path in _list_files(paths) if is_plain(path)]


def encrypt_home(paths: HomePaths, passphrase: str, *, progress: Progress) -> Converted:
    """Encrypt the database, the session and the backups, or do the rest of a run that was interrupted.

    Args:
        paths: The home; nothing else may use it.
        passphrase: New, or that of the earlier run.
        progress: Called while files are copied.

    Returns:
        What was encrypted; nothing where everything was.

    Raises:
        PassphraseError: The home is encrypted by another one.
        StoreError: A file is used by another process, or can't be written. It is as it was.
    """
    load_driver()
    marker = Marker.read(paths.encryption)
    salt = bytes.fromhex(marker.salt) if marker else read_salt(paths.database) or os.urandom(SALT_BYTES)
    key = derive_key(passphrase, salt)
    check_key(key, paths.database, marker)
    _write_marker(paths, "on", key)
    KEYS.accept(key)
    _remove_drafts(paths)
    files = list_plain(paths)
    _convert_all([(path, None, key) for path in files], progress)
    return Converted(files=tuple(files))


def decrypt_home(paths: HomePaths, passphrase: str, *, progress: Progress) -> Converted:
    """Make the databases of a home plain files again, or do the rest of a run that was interrupted.

    Args:
        paths: The home; nothing else may use it.
        passphrase: The one that it was encrypted by.
        progress: Called while files are copied.

    Returns:
        What was decrypted, and files that were encrypted by another passphrase and stay so.

    Raises:
        PassphraseError: It is another one; nothing is changed.
        StoreError: A file is used by another process, or can't be written. It is as it was.
    """
    load_driver()
    marker = Marker.read(paths.encryption)
    salt = bytes.fromhex(marker.salt) if marker else read_salt(paths.database)
    if salt is None:
        return Converted(files=())
    keys = {salt: derive_key(passphrase, salt)}
    check_key(keys[salt], paths.database, marker)
    _write_marker(paths, "decrypting", keys[salt])
    _remove_drafts(paths)
    found, left = _find_encrypted(paths, passphrase, keys)
    _convert_all([(path, key, None) for path, key in found], progress)
    paths.encryption.unlink()
    _sync(paths.home)
    return Converted(files=tuple(path for path, _key in found), left=tuple(left))


def _find_encrypted(
    paths: HomePaths, passphrase: str, keys: dict[bytes, FileKey]
) -> tuple[list[tuple[Path, FileKey]], list[Path]]:
    found, left = [], []
    for path in _list_files(paths):
        salt = read_salt(path)
        ours = path in (paths.database, paths.session) or path.suffix == paths.database.suffix
        if salt is None or not (ours or salt in keys):
            continue
        key = keys.setdefault(salt, derive_key(passphrase, salt) if salt not in keys else keys[salt])
        try:
            check_key(key, path, None)
        except PassphraseError:
            left.append(path)
        else:
            found.append((path, key))
    return found, left


def _list_files(paths: HomePaths) -> list[Path]:
    """Return what may be a database: the database first, then all files beside it, and those among the backups."""
    beside = sorted(path for path in paths.home.glob("*") if path != paths.schedule)
    found = [paths.database, paths.session, *beside, *sorted(paths.backups.rglob("*"))]
    return [path for path in dict.fromkeys(found) if path.is_file() and not path.is_symlink()]


def _remove_drafts(paths: HomePaths) -> None:
    for folder in (paths.home, paths.backups):
        for path in folder.glob(f".*{_DRAFT}*"):
            path.unlink()
    # What a killed backup has left: half of a copy, under a name that is never looked for again.
    for path in paths.backups.glob(f".*{paths.database.suffix}*"):
        path.unlink()


def _write_marker(paths: HomePaths, state: Literal["on", "decrypting"], key: FileKey) -> None:
    paths.home.mkdir(parents=True, exist_ok=True, mode=0o700)
    draft = paths.encryption.with_name(f".{paths.encryption.name}{_DRAFT}")
    draft.touch(mode=0o600)
    draft.write_text(Marker(state=state, salt=key.salt.hex(), verifier=key.verifier).to_json(), "utf-8")
    _replace(draft, paths.encryption)


def _convert_all(work: list[tuple[Path, FileKey | None, FileKey | None]], progress: Progress) -> None:
    total = sum(path.stat().st_size for path, _old, _new in work)
    done = 0

    def report(copied: int) -> None:
        progress(min(done + copied, total), total)

    for path, old, new in work:
        size = path.stat().st_size
        _convert(path, old, new, progress=report)
        done += size
        report(0)


def _convert(path: Path, old: FileKey | None, new: FileKey | None, *, progress: Callable[[int], None]) -> None:
    """Copy a file under its new key and put the copy in its place; nobody can write to it meanwhile."""
    draft = path.with_name(f".{path.name}{_DRAFT}")
    draft.touch(mode=0o600)
    try:
        with closing(load_driver().connect(str(path), timeout=1.0, isolation_level=None)) as connection:
            if old is not None:
                unlock(connection, old)
            else:
                connection.execute("PRAGMA cipher_log_level = NONE")
            # This writes what is in the log into the file, removes the log, and is refused while others use the file.
            if connection.execute("PRAGMA journal_mode = DELETE").fetchone() != ("delete",):
                raise StoreError(_describe_busy(path))
            _export(connection, draft, new, progress)
            _replace(draft, path)
    except DRIVER_ERRORS as exc:
        busy = "locked" in str(exc) or "busy" in str(exc)
        reason = f"{path} can't be converted: {exc}. It is as it was. Make room there, or check the disk."
        raise StoreError(_describe_busy(path) if busy else reason) from exc
    finally:
        draft.unlink(missing_ok=True)
    for companion in _COMPANIONS:
        path.with_name(path.name + companion).unlink(missing_ok=True)


def _export(connection: sqlite3.Connection, draft: Path, key: FileKey | None, progress: Callable[[int], None]) -> None:
    def report() -> int:
        progress(draft.stat().st_size)
        return 0

    connection.execute("ATTACH DATABASE ? AS draft KEY " + (f'"{key.literal}"' if key else "''"), (str(draft),))
    # The lock outlives the transaction: nobody may write to the old file between the copy and its new name.
    connection.execute("PRAGMA main.locking_mode = EXCLUSIVE")
    connection.execute("BEGIN EXCLUSIVE")
    connection.set_progress_handler(report, _STEPS_BETWEEN_REPORTS)
    connection.execute("SELECT sqlcipher_export('draft')").fetchone()
    for pragma in ("user_version", "application_id"):
        value = connection.execute(f"PRAGMA main.{pragma}").fetchone()[0]
        connection.execute(f"PRAGMA draft.{pragma} = {int(value)}")
    for name in _list_tables(connection):
        old, new = (_count(connection, f'{schema}."{name}"') for schema in ("main", "draft"))
        if old != new:
            raise sqlite3.DatabaseError(f"the copy of the table {name} has {new} of {old} rows")
    if connection.execute("PRAGMA draft.quick_check(1)").fetchone() != ("ok",):
        raise sqlite3.DatabaseError("the copy is damaged")
    connection.set_progress_handler(None, 0)
    connection.execute("COMMIT")


def _count(connection: sqlite3.Connection, table: str) -> int:
    return int(connection.execute(f"SELECT count(*) FROM {table}").fetchone()[0])  # noqa: S608  # names of our own tables


def _list_tables(connection: sqlite3.Connection) -> list[str]:
    rows = connection.execute("SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'")
    return [name for (name,) in rows.fetchall()]


def _describe_busy(path: Path) -> str:
    return (
        f"{path} is in use by another process. Stop the daemon, training and other commands of this home, and try "
        f"again. What was not reached yet is as it was."
    )


def _replace(draft: Path, path: Path) -> None:
    _sync(draft)
    draft.replace(path)
    _sync(path.parent)


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
