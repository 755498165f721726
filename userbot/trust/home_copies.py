"""Words of chats outside the database: runs, reports, exports, backups, and names in the Telegram session."""

from __future__ import annotations

import json
import shutil
import sqlite3
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

from userbot.config.home import ReportPaths
from userbot.domain.errors import ConfigError, PassphraseError
from userbot.store import Store
from userbot.store.adapters import AdapterShelf
from userbot.store.connection import DATA_ERRORS, DRIVER_ERRORS, attach, connect, connect_copy, find_key, read_salt
from userbot.store.erasure import Target, compact, erase
from userbot.store.facts import EXPORTS, Export
from userbot.store.runs import HELD_OUT, TRAIN, RunFolder, list_runs

RUN_WAIT_S = 15.0
"""A training under way looks every two seconds whether its chats may still be used, and ends after its present step."""

_POLL_S = 0.2
_UNREADABLE: tuple[type[Exception], ...] = (PassphraseError, *DRIVER_ERRORS)
"""Copies of another version, of another passphrase, damaged, or being written."""

_FOLLOW_DELETIONS = """
UPDATE messages SET text = '', media = NULL, sender_name = NULL, deleted_at = live.deleted_at
FROM live.messages AS live
WHERE live.chat_id = messages.chat_id AND live.id = messages.id AND live.deleted_at IS NOT NULL
      AND messages.deleted_at IS NULL
"""
_FOLLOW_EDITS = """
UPDATE messages SET text = live.text, media = live.media, edited_at = live.edited_at
FROM live.messages AS live
WHERE live.chat_id = messages.chat_id AND live.id = messages.id AND live.edited_at > COALESCE(messages.edited_at, 0)
      AND messages.deleted_at IS NULL
"""
_BACKUPS = ("clone-*", ".clone-*")


def list_learned(data: Mapping[str, Any]) -> set[int]:
    """Return the chats that a run or an adapter learned from or was measured on.

    Args:
        data: Of a run's record or a manifest.
    """
    parts = (data.get(TRAIN, {}), data.get(HELD_OUT, {}), {"chats": data.get("known", {})})
    return {int(chat_id) for part in parts for chat_id in part.get("chats", {})}


def delete_runs(runs: Path, chat_ids: Collection[int], *, sleep: Callable[[float], None] = time.sleep) -> list[str]:
    """Delete the folders of runs that learned from chats, and those that don't say from which.

    Args:
        runs: `<home>/runs`.
        chat_ids: The chats.
        sleep: Waits for a training under way to notice; seconds.

    Returns:
        Ids of those that another process still works on, so that they are still there.
    """
    busy = []
    for run in list_runs(runs):
        record = run.read()
        if record is not None and not list_learned(record.data) & set(chat_ids):
            continue
        if not _delete_run(run, sleep):
            busy.append(run.id)
    return busy


def delete_reports(reports: Path, chat_ids: Collection[int]) -> int:
    """Delete the reports that hold words of chats, and those that don't say whose words they hold; return how many.

    Args:
        reports: `<home>/reports`, one folder per adapter.
        chat_ids: The chats.
    """
    deleted = 0
    for folder in sorted(path for path in reports.glob("*") if path.is_dir()):
        for draft in folder.glob(".*"):  # a write that was cut short
            draft.unlink()
        named = _read_chats(ReportPaths(folder).comparison)
        if named is None or named & set(chat_ids):
            shutil.rmtree(folder)
            deleted += 1
    return deleted


def delete_exports(store: Store, chat_ids: Collection[int]) -> tuple[int, list[str]]:
    """Delete the files that commands exported with words of chats in them.

    Args:
        store: Knows where they were written.
        chat_ids: The chats.

    Returns:
        How many were deleted, and the paths at which something else lies now, which stays.
    """
    exports = store.facts.get(EXPORTS) or ()
    concerned = [export for export in exports if set(export.chat_ids) & set(chat_ids)]
    deleted, foreign = 0, []
    for path in (Path(export.path) for export in concerned):
        if not path.exists():
            continue
        if not is_export(path):
            foreign.append(str(path))
        elif path.is_dir():
            shutil.rmtree(path)
            deleted += 1
        else:
            path.unlink()
            deleted += 1
    kept = tuple(export for export in exports if export not in concerned)
    store.facts.set(EXPORTS, kept or None)
    return deleted, foreign


def note_exports(store: Store, paths: Iterable[Path], chat_ids: Collection[int]) -> None:
    """Remember which files are about to be written with words of chats, so that forgetting finds them.

    Args:
        store: Remembers them.
        paths: Files or folders.
        chat_ids: Chats whose words they will hold.
    """
    new = {str(path.expanduser().absolute()): tuple(sorted(chat_ids)) for path in paths}
    known = [export for export in store.facts.get(EXPORTS) or () if export.path not in new]
    store.facts.set(EXPORTS, (*known, *(Export(path=path, chat_ids=chats) for path, chats in new.items())))


def rewrite_backups(backups: Path, target: Target, *, now_ms: int) -> tuple[int, int]:
    """Erase from all copies of the database; a copy that can't be read is deleted.

    Args:
        backups: `<home>/backups`; only files that the program made there are touched.
        target: What to erase.
        now_ms: The time, milliseconds since 1970.

    Returns:
        How many were rewritten, and how many deleted.
    """
    rewritten = deleted = 0
    for path in list(_list_backups(backups)):
        try:
            if path.name.startswith("."):
                raise sqlite3.DatabaseError("a copy that was never finished")
            with closing(connect_copy(path)) as connection:
                erase(connection, target, now_ms=now_ms)
                connection.execute("VACUUM")
            rewritten += 1
        except _UNREADABLE:
            path.unlink(missing_ok=True)
            deleted += 1
        for suffix in ("-wal", "-shm", "-journal"):
            path.with_name(path.name + suffix).unlink(missing_ok=True)
    return rewritten, deleted


def update_backups(database: Path, backups: Path) -> int:
    """Let copies of the database lose the words of messages that were deleted or edited since; return how many did.

    Args:
        database: The live database.
        backups: `<home>/backups`.
    """
    updated = 0
    key = find_key(database)
    for path in _list_backups(backups):
        try:
            if (read_salt(path) is None) != (key is None):
                continue  # made before the home was encrypted, or decrypted
            with closing(connect_copy(path)) as connection:
                connection.execute("PRAGMA secure_delete = ON")
                attach(connection, database, "live", key)
                cleared = connection.execute(_FOLLOW_DELETIONS).rowcount
                edited = connection.execute(_FOLLOW_EDITS).rowcount
                connection.execute("DETACH live")
                if cleared + edited:
                    connection.execute("VACUUM")
                    updated += 1
        except _UNREADABLE:
            continue
    return updated


def scrub_session(session: Path) -> None:
    """Take names, usernames and phone numbers out of the Telegram session, which needs ids and access hashes only.

    Args:
        session: The session file; may be missing.
    """
    if not session.is_file():
        return
    try:
        with closing(connect(session, find_key(session), isolation_level=None, timeout=0.5)) as connection:
            connection.execute("PRAGMA secure_delete = ON")
            named = "username IS NOT NULL OR phone IS NOT NULL OR name IS NOT NULL"
            connection.execute(f"UPDATE entities SET username = NULL, phone = NULL, name = NULL WHERE {named}")  # noqa: S608
            connection.execute("VACUUM")
    except DATA_ERRORS:
        # A daemon uses it, and took the names out when it opened it; or it is damaged, as opening it will say.
        return


def find_learned(shelf: AdapterShelf, chat_ids: Collection[int]) -> list[str]:
    """Return the ids of the adapters that learned from chats, oldest first."""
    return [manifest.id for manifest in shelf.all() if list_learned(manifest.data) & set(chat_ids)]


def compact_store(store: Store) -> None:
    """Write the live database afresh, so that no free page and no log holds what was deleted."""
    raw = store.engine.raw_connection()
    try:
        connection = raw.driver_connection
        if connection is not None:
            compact(connection)
    finally:
        raw.close()


def erase_from_store(store: Store, target: Target) -> int:
    """Erase from the live database; return how many messages went."""
    raw = store.engine.raw_connection()
    try:
        connection = raw.driver_connection
        now_ms = round(store.clock().timestamp() * 1000)
        return 0 if connection is None else erase(connection, target, now_ms=now_ms)
    finally:
        raw.close()


def _delete_run(run: RunFolder, sleep: Callable[[float], None]) -> bool:
    for _ in range(round(RUN_WAIT_S / _POLL_S)):
        if not run.path.is_dir():
            return True
        try:
            with run.claim():
                run.remove()
            return True
        except FileNotFoundError:
            return True
        except ConfigError:
            sleep(_POLL_S)
    return False


def _read_chats(comparison: Path) -> set[int] | None:
    try:
        return {int(chat_id) for chat_id in json.loads(comparison.read_text("utf-8"))["chats"]}
    except (OSError, ValueError, TypeError, KeyError):
        return None


def is_export(path: Path) -> bool:
    """Tell whether what lies at a path still looks like what was written there."""
    if path.is_dir():
        return (path / "dataset_dict.json").is_file() or (path / "about-you.json").is_file()
    try:
        with path.open("rb") as file:
            head = file.read(64)
    except OSError:
        return False
    return not head or head.startswith((b'{"messages"', b"PK"))


def _list_backups(backups: Path) -> Iterator[Path]:
    for pattern in _BACKUPS:
        for path in sorted(backups.glob(pattern)):
            if path.is_file() and not path.name.endswith(("-wal", "-shm", "-journal")):
                yield path
