"""Erase a chat, or one person's messages in it, from a database of any version: the live one or a backup.

Works on the tables that the file has, not on those that this version knows: every table with a column `chat_id` holds
rows of a chat, the key of a fact may end with its id, and a fact may be a map or a list by chat.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from userbot.domain.consent import FORGOTTEN
from userbot.store.members import member_id
from userbot.store.tombstones import EVERYBODY

_KEPT = frozenset({"consents", "tombstones"})
"""Tables with a column `chat_id` that outlive their chat, as they hold ids and times; consents lose their words."""

_OPTED_OUT = "opted_out"
"""Name of the fact that says who wants no bot: ids alone, and it holds when the chat is let in again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """What is erased.

    Args:
        chat_ids: The chat under all ids that it has.
        person: Whose messages to erase in these chats, as `userbot.store.members.member_id` names them; `EVERYBODY`
            erases the chats with all that belongs to them.
    """

    chat_ids: Sequence[int]
    person: int = EVERYBODY


def erase(connection: sqlite3.Connection, target: Target, *, now_ms: int) -> int:
    """Erase in one transaction; return how many messages went.

    Free pages still hold what they held before; `compact` makes them go.

    Args:
        connection: Without a transaction of its own: `isolation_level` is None.
        target: What.
        now_ms: The time, milliseconds since 1970.
    """
    cursor = connection.cursor()
    cursor.execute("PRAGMA secure_delete = ON")
    cursor.execute("BEGIN IMMEDIATE")
    try:
        if target.person == EVERYBODY:
            names = _list_names(cursor, target.chat_ids)
            count = sum(_erase_chat(cursor, chat_id, now_ms=now_ms) for chat_id in target.chat_ids)
            _erase_traffic(cursor, names)
        else:
            count = sum(_erase_person(cursor, chat_id, target.person) for chat_id in target.chat_ids)
        _merge_search_indexes(cursor)
        cursor.execute("COMMIT")
    except BaseException:
        cursor.execute("ROLLBACK")
        raise
    finally:
        cursor.close()
    return count


def compact(connection: sqlite3.Connection) -> None:
    """Write the database afresh without its free pages, and empty its write-ahead log.

    Other processes may have it open; the log is emptied when none of them reads.

    Args:
        connection: Without a transaction.
    """
    for statement in ("PRAGMA wal_checkpoint(TRUNCATE)", "VACUUM", "PRAGMA wal_checkpoint(TRUNCATE)"):
        connection.execute(statement).fetchall()


def _erase_chat(cursor: sqlite3.Cursor, chat_id: int, *, now_ms: int) -> int:
    tables = list(_list_tables(cursor))
    names = {name for name, _ in tables}
    count = 0
    if "messages" in names:
        count = _run(cursor, "DELETE FROM messages WHERE chat_id = ?", chat_id)
    # After the messages, whose deletion may leave traces in others by triggers.
    for name, columns in tables:
        if "chat_id" in columns and name not in _KEPT | {"messages"}:
            _run(cursor, f'DELETE FROM "{name}" WHERE chat_id = ?', chat_id)  # noqa: S608 - a table of this database
    if "consents" in names:
        _end_consents(cursor, chat_id, now_ms)
    if "facts" in names:
        _erase_facts(cursor, chat_id)
    if "chats" in names:
        _run(cursor, "DELETE FROM chats WHERE id = ?", chat_id)
    return count


def _erase_person(cursor: sqlite3.Cursor, chat_id: int, person: int) -> int:
    tables = dict(_list_tables(cursor))
    if "messages" not in tables:
        return 0
    senders = "SELECT DISTINCT sender_id, sender_name FROM messages WHERE chat_id = ? AND origin = 'peer'"
    found = cursor.execute(senders, (chat_id,)).fetchall()
    count = 0
    for sender_id, name in found:
        if member_id(sender_id, name) == person:
            count += _erase_sender(cursor, chat_id, sender_id, name, replies="replies" in tables)
    if "members" in tables:
        _run(cursor, "DELETE FROM members WHERE chat_id = ? AND sender_id = ?", chat_id, person)
    return count


def _erase_sender(
    cursor: sqlite3.Cursor, chat_id: int, sender_id: int | None, name: str | None, *, replies: bool
) -> int:
    """Erase what a sender wrote under one name, and the answers to it."""
    where = "chat_id = ? AND origin = 'peer' AND sender_id IS ? AND sender_name IS ?"
    values = (chat_id, sender_id, name)
    if replies:
        theirs = f"chat_id = ? AND trigger_id IN (SELECT id FROM messages WHERE {where})"  # noqa: S608 - no values in it
        for table in ("replies", "withheld_answers"):
            if cursor.execute("SELECT 1 FROM sqlite_master WHERE name = ?", (table,)).fetchone():
                _run(cursor, f"DELETE FROM {table} WHERE {theirs}", chat_id, *values)  # noqa: S608 - names above
        orphans = "DELETE FROM outbox WHERE chat_id = ? AND reply_id NOT IN (SELECT id FROM replies)"
        _run(cursor, orphans, chat_id)
    return _run(cursor, f"DELETE FROM messages WHERE {where}", *values)  # noqa: S608 - no values in it


def _end_consents(cursor: sqlite3.Cursor, chat_id: int, now_ms: int) -> None:
    """End the consents of a chat, and take their words out of the ledger, which allows it once it says `forgotten`."""
    last = "SELECT action, reason FROM consents WHERE chat_id = ? AND account_id IS ? ORDER BY id DESC LIMIT 1"
    accounts = cursor.execute("SELECT DISTINCT account_id FROM consents WHERE chat_id = ?", (chat_id,)).fetchall()
    for (account,) in accounts:
        if cursor.execute(last, (chat_id, account)).fetchone() != ("withdrawn", FORGOTTEN):
            ended = "INSERT INTO consents (account_id, chat_id, action, at, reason, origin) "
            _run(cursor, ended + "VALUES (?, ?, 'withdrawn', ?, ?, 'owner')", account, chat_id, now_ms, FORGOTTEN)
    words = "given_by IS NOT NULL OR wording IS NOT NULL OR (reason IS NOT NULL AND reason <> ?)"
    blank = "given_by = NULL, wording = NULL, reason = CASE reason WHEN ? THEN reason END"
    _run(cursor, f"UPDATE consents SET {blank} WHERE chat_id = ? AND ({words})", FORGOTTEN, chat_id, FORGOTTEN)  # noqa: S608


def _erase_facts(cursor: sqlite3.Cursor, chat_id: int) -> None:
    for key, stored in cursor.execute("SELECT key, value FROM facts").fetchall():
        if key.endswith(f":{chat_id}"):
            _run(cursor, "DELETE FROM facts WHERE key = ?", key)
            continue
        if key == _OPTED_OUT or not isinstance(stored, str):  # SQLite stores numbers as such
            continue
        value = json.loads(stored)
        left = _leave_out(value, chat_id)
        if left != value:
            _run(cursor, "UPDATE facts SET value = ? WHERE key = ?", json.dumps(left, ensure_ascii=False), key)


def _leave_out(value: Any, chat_id: int) -> Any:
    """Return a fact's value without what is kept by this chat's id, however deep."""
    if isinstance(value, dict):
        return {key: _leave_out(item, chat_id) for key, item in value.items() if key != str(chat_id)}
    if isinstance(value, list):
        kept = [item for item in value if not (isinstance(item, dict) and item.get("chat_id") == chat_id)]
        return [_leave_out(item, chat_id) for item in kept]
    return value


def _list_names(cursor: sqlite3.Cursor, chat_ids: Sequence[int]) -> list[str]:
    """Return how the chats are called in commands: titles, usernames, ids; lower case."""
    columns = dict(_list_tables(cursor)).get("chats", frozenset())
    named = [column for column in ("title", "told_title", "username") if column in columns]
    names = [str(chat_id) for chat_id in chat_ids]
    for chat_id in chat_ids if named else ():
        row = cursor.execute(f"SELECT {', '.join(named)} FROM chats WHERE id = ?", (chat_id,)).fetchone()  # noqa: S608
        names += [name.casefold() for name in row or () if name]
    return names


def _erase_traffic(cursor: sqlite3.Cursor, names: Sequence[str]) -> None:
    """Erase what commands were given and answered, and what the last pull said: both name chats as they were called."""
    tables = dict(_list_tables(cursor))
    if "commands" in tables:
        _run(cursor, "DELETE FROM commands WHERE done_at IS NOT NULL")
        for number, argument in cursor.execute("SELECT id, argument FROM commands").fetchall():
            if any(name in argument.casefold() for name in names):
                _run(cursor, "DELETE FROM commands WHERE id = ?", number)
    if "facts" in tables:
        _run(cursor, "DELETE FROM facts WHERE key = 'pull'")


def _merge_search_indexes(cursor: sqlite3.Cursor) -> None:
    """Let full-text indexes drop the words of deleted rows, which they keep until their segments are merged."""
    query = "SELECT name FROM sqlite_master WHERE type = 'table' AND sql LIKE 'CREATE VIRTUAL TABLE%fts5%'"
    for (name,) in cursor.execute(query).fetchall():
        _run(cursor, f'INSERT INTO "{name}" ("{name}") VALUES (\'optimize\')')  # noqa: S608 - a table of this database


def _list_tables(cursor: sqlite3.Cursor) -> Iterator[tuple[str, frozenset[str]]]:
    """Yield the tables of the database with their columns, without those that belong to a virtual table."""
    rows = cursor.execute("SELECT name, sql FROM sqlite_master WHERE type = 'table'").fetchall()
    virtual = [name for name, sql in rows if sql and sql.upper().startswith("CREATE VIRTUAL")]
    for name, _sql in rows:
        if name.startswith("sqlite_") or any(name.startswith(f"{one}_") for one in virtual):
            continue
        columns = cursor.execute(f'PRAGMA table_info("{name}")').fetchall()
        yield name, frozenset(column[1] for column in columns)


def _run(cursor: sqlite3.Cursor, statement: str, *values: object) -> int:
    return cursor.execute(statement, values).rowcount
