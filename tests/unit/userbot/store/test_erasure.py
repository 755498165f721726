"""Tests of erasing from a database of any version."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
from fakes import bubble

from userbot.domain.messages import Chat, ChatKind, Message
from userbot.store import Store
from userbot.store.decisions import Bubble, Decision, ReplyState
from userbot.store.erasure import Target, compact, erase
from userbot.store.members import member_id


@pytest.fixture
def raw(tmp_path: Path) -> Iterator[sqlite3.Connection]:
    with closing(sqlite3.connect(tmp_path / "old.db", isolation_level=None)) as connection:
        yield connection


def test_tables_that_this_version_does_not_know_are_erased_by_their_column(raw: sqlite3.Connection) -> None:
    raw.execute("CREATE TABLE unknown (chat_id INTEGER, note TEXT)")
    raw.execute("CREATE TABLE tombstones (chat_id INTEGER)")
    raw.execute("INSERT INTO tombstones VALUES (1)")
    raw.executemany("INSERT INTO unknown VALUES (?, ?)", [(1, "gone"), (2, "stays")])
    assert erase(raw, Target(chat_ids=[1]), now_ms=0) == 0
    assert raw.execute("SELECT note FROM unknown").fetchall() == [("stays",)]
    assert raw.execute("SELECT * FROM tombstones").fetchall() == [(1,)]


def test_an_empty_database_is_no_trouble(raw: sqlite3.Connection) -> None:
    assert erase(raw, Target(chat_ids=[1]), now_ms=0) == 0
    assert erase(raw, Target(chat_ids=[1], person=5), now_ms=0) == 0


def test_facts_lose_what_is_kept_by_the_chats_id_however_deep(raw: sqlite3.Connection) -> None:
    raw.execute("CREATE TABLE facts (key TEXT, value JSON)")
    facts = {
        "pull:1": "{}",
        "n": "5",
        "by": '{"1": "a", "2": "b", "in": {"1": "c"}}',
        "opted_out": '{"1": [7]}',
        "l": '[{"chat_id": 1}, {"chat_id": 2}]',
    }
    raw.executemany("INSERT INTO facts VALUES (?, ?)", facts.items())
    erase(raw, Target(chat_ids=[1]), now_ms=0)
    left = dict(raw.execute("SELECT key, value FROM facts").fetchall())
    assert left.pop("opted_out") == '{"1": [7]}'
    assert left == {"n": 5, "by": '{"2": "b", "in": {}}', "l": '[{"chat_id": 2}]'}


def test_consents_keep_their_times_and_lose_their_words(raw: sqlite3.Connection) -> None:
    columns = "id INTEGER PRIMARY KEY, account_id, chat_id, action, at, given_by, wording, reason, origin"
    raw.execute(f"CREATE TABLE consents ({columns})")
    raw.execute("INSERT INTO consents VALUES (1, 9, 1, 'given', 5, 'Vera', 'words', NULL, 'owner')")
    for _ in range(2):
        erase(raw, Target(chat_ids=[1]), now_ms=77)
    rows = raw.execute("SELECT action, at, given_by, wording, reason FROM consents").fetchall()
    assert rows == [("given", 5, None, None, None), ("withdrawn", 77, None, None, "forgotten")]


def test_a_failure_changes_nothing(raw: sqlite3.Connection) -> None:
    raw.execute("CREATE TABLE notes (chat_id INTEGER)")
    raw.execute("CREATE TABLE facts (key TEXT, value TEXT)")
    raw.execute("INSERT INTO notes VALUES (1)")
    raw.execute("INSERT INTO facts VALUES ('broken', '{')")
    with pytest.raises(ValueError, match="Expecting"):
        erase(raw, Target(chat_ids=[1]), now_ms=0)
    assert raw.execute("SELECT * FROM notes").fetchall() == [(1,)]


def member(number: int, sender_id: int | None, name: str) -> Message:
    return replace(bubble(number, f"by {name}", at_s=number), sender_id=sender_id, sender_name=name)


@pytest.mark.parametrize(
    ("person", "left"), [(7, ["by Boris", "by Anna"]), (member_id(None, "Anna"), ["by Vera", "by Boris"])]
)
def test_one_person_goes_with_the_answers_to_them(store: Store, person: int, left: list[str]) -> None:
    store.chats.save([Chat(id=101, kind=ChatKind.GROUP, title="Hike")])
    store.messages.add([member(1, 7, "Vera"), member(2, 8, "Boris"), member(3, None, "Anna")])
    for trigger in (1, 2, 3):
        bubbles = [Bubble(text=f"to {trigger}", random_id=trigger, due_at=store.clock())]
        store.replies.decide(Decision(chat_id=101, trigger_id=trigger, state=ReplyState.QUEUED), bubbles)
    raw = store.engine.raw_connection()
    connection = raw.driver_connection
    assert connection is not None
    assert erase(connection, Target(chat_ids=[101], person=person), now_ms=0) == 1
    raw.close()
    assert [one.text for one in store.messages.window(101, limit=9)] == left
    assert len(store.replies.pending(101)) == 2


def test_compacting_empties_the_log(tmp_path: Path) -> None:
    path = tmp_path / "wal.db"
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("CREATE TABLE t (x)")
        connection.execute("INSERT INTO t VALUES ('zyxword')")
        connection.execute("DELETE FROM t")
        assert b"zyxword" in Path(f"{path}-wal").read_bytes()
        compact(connection)
        assert Path(f"{path}-wal").read_bytes() == b"" and b"zyxword" not in path.read_bytes()
