"""Retention: what is older than the owner wants to keep is deleted, in the database and outside of it."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from userbot.config.home import HomePaths
from userbot.domain.errors import ConfigError, PassphraseError
from userbot.store import Store
from userbot.store.connection import DRIVER_ERRORS, connect_copy
from userbot.store.facts import KEEP_DAYS
from userbot.store.runs import RunFolder, list_runs, list_unfinished
from userbot.trust.home_copies import compact_store, list_learned

_FOR_EVER = 0
_DATED = frozenset({"replies", "withheld_answers"})
"""Tables beside `messages` whose rows belong to a chat and say when they were written."""


@dataclass(frozen=True, slots=True)
class Expired:
    """What was deleted.

    Args:
        messages: From the database.
        files: Samples of runs, reports and backups.
    """

    messages: int
    files: int


def expire(store: Store, paths: HomePaths, *, keep_days: int | None) -> Expired:
    """Delete what is older than it may be.

    Args:
        store: The live database; it knows the chats that are kept for another time than the others.
        paths: Of the home folder.
        keep_days: Days for which chats are kept; None for ever.

    Returns:
        How much was deleted.
    """
    limits = find_limits(store, keep_days)
    if not limits:
        return Expired(0, 0)
    now = store.clock()
    cutoffs = {chat_id: _milliseconds(now - timedelta(days=days)) for chat_id, days in limits.items()}
    raw = store.engine.raw_connection()
    try:
        connection = raw.driver_connection
        messages = 0 if connection is None else _delete_old(connection, cutoffs)
    finally:
        raw.close()
    if messages:
        compact_store(store)
    # Samples, reports and backups mix chats, so the shortest time counts for them.
    files = _delete_old_files(paths, before=now - timedelta(days=min(limits.values())))
    _thin_backups(paths.backups, cutoffs)
    return Expired(messages, files)


def delete_outdated_runs(store: Store, runs: Path) -> int:
    """Delete stopped trainings whose samples hold messages that were deleted since; return how many.

    Args:
        store: Knows what was deleted, and when.
        runs: `<home>/runs`.
    """
    deleted = 0
    for run, record in list_unfinished(runs):
        read_at = record.data.get("names_at")
        since = datetime.fromisoformat(read_at) if read_at else None
        if store.messages.count_deleted(list_learned(record.data), since=since):
            deleted += _clear_run(run)
    return deleted


def find_limits(store: Store, keep_days: int | None) -> dict[int, int]:
    """Return for how many days each chat is kept; chats that are kept for ever are left out.

    Args:
        store: Knows the chats.
        keep_days: Days for chats without a time of their own; None for ever.
    """
    own = store.facts.get(KEEP_DAYS) or {}
    days = {chat.id: own.get(chat.id, keep_days or _FOR_EVER) for chat in store.chats.all()}
    return {chat_id: limit for chat_id, limit in days.items() if limit != _FOR_EVER}


def _delete_old(connection: sqlite3.Connection, cutoffs: Mapping[int, int]) -> int:
    """Delete messages, decisions with their answers, and what was withheld; return how many messages."""
    named = connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall()
    tables = {name for (name,) in named} & {"messages", *_DATED}
    count = 0
    connection.execute("PRAGMA foreign_keys = ON")  # an answer goes with its decision
    connection.execute("BEGIN IMMEDIATE")
    try:
        for old in cutoffs.items():
            count += connection.execute("DELETE FROM messages WHERE chat_id = ? AND sent_at < ?", old).rowcount
            for table in tables - {"messages"}:
                connection.execute(f"DELETE FROM {table} WHERE chat_id = ? AND created_at < ?", old)  # noqa: S608 - names above
        connection.execute("DELETE FROM commands WHERE created_at < ?", (max(cutoffs.values()),))
        connection.execute("COMMIT")
    except BaseException:
        connection.execute("ROLLBACK")
        raise
    return count


def _thin_backups(backups: Path, cutoffs: Mapping[int, int]) -> None:
    for path in backups.glob("clone-*.db"):
        try:
            with closing(connect_copy(path)) as connection:
                connection.execute("PRAGMA secure_delete = ON")
                if _delete_old(connection, cutoffs):
                    connection.execute("VACUUM")
        except PassphraseError:  # it can be restored by its owner, who knows that passphrase
            continue
        except DRIVER_ERRORS:  # it can't be read, so it can't be restored either
            path.unlink(missing_ok=True)


def _delete_old_files(paths: HomePaths, *, before: datetime) -> int:
    deleted = sum(_clear_run(run) for run in list_runs(paths.runs) if _is_old(run.path, before))
    for folder in [path for path in paths.reports.glob("*") if path.is_dir() and _is_old(path, before)]:
        shutil.rmtree(folder)
        deleted += 1
    for copy in [path for path in paths.backups.glob("clone-*.db") if _is_old(path, before)]:
        copy.unlink()
        deleted += 1
    return deleted


def _clear_run(run: RunFolder) -> int:
    """Delete a run that still has samples; one that a process works on is left to it."""
    if not any(run.path.glob("*/*")) and not run.checkpoint.exists():
        return 0
    try:
        with run.claim():
            run.remove()
    except ConfigError:
        return 0
    return 1


def _is_old(path: Path, before: datetime) -> bool:
    return path.stat().st_mtime < before.timestamp()


def _milliseconds(time: datetime) -> int:
    return round(time.timestamp() * 1000)
