"""Forgetting, as a search of every byte under the home folder sees it.

Words of the forgotten chat are planted in every place that can hold them; where a new table with text appears, the list
of planted columns below no longer fits the schema, and the test fails until it plants there too.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import JSON, String, Text

from userbot.config.home import HomePaths
from userbot.daemon.housekeeping import back_up
from userbot.domain.consent import Action
from userbot.domain.exclusions import Exclusion
from userbot.domain.messages import Chat, ChatKind, Message, Mode, Origin
from userbot.store import Store
from userbot.store.adapters import AdapterShelf, Manifest
from userbot.store.decisions import Bubble, Decision, ReplyState
from userbot.store.facts import EXCLUSIONS, EXPORTS, OWN_DRAFTS, PULL, PullState, pull_mark, reconciled_up_to
from userbot.store.facts import PullMark as Mark
from userbot.store.runs import RunFolder, RunRecord, RunState
from userbot.store.schema import metadata
from userbot.trust.forget import finish_forgetting, forget
from userbot.trust.home_copies import note_exports

VERA, BORIS = 101, 102
NOW = datetime(2026, 1, 5, 12, tzinfo=UTC)
WORD = "zyxplanted"
"""Stands in everything that belongs to the forgotten chat, followed by where it stands."""

OTHER = "qwvstays"
"""Stands in what belongs to the other chat."""

PLANTED = {
    "chats.title",
    "chats.username",
    "chats.former_usernames",
    "chats.prompt_names",
    "chats.told_title",
    "chats.relationship",
    "chats.consent_by",
    "commands.verb",
    "commands.argument",
    "commands.answer",
    "consents.given_by",
    "consents.wording",
    "consents.reason",
    "consents.members",
    "disclosure_queue.was",
    "disclosure_queue.was_origin",
    "withheld_answers.kind",
    "withheld_answers.text",
    "facts.key",
    "facts.value",
    "members.name",
    "messages.text",
    "messages.media",
    "messages.sender_name",
    "outbox.text",
    "replies.reason",
    "replies.adapter_id",
    "replies.context_ids",
    "replies.timings",
}
"""Columns of text in which this test plants, or that hold words of the program alone."""

FIXED = {
    "consents.action",
    "consents.origin",
    "chats.kind",
    "chats.source",
    "chats.mode",
    "messages.origin",
    "replies.state",
    "outbox.state",
}
"""Columns whose values come from short lists of the program's."""


@pytest.fixture
def paths(tmp_path: Path) -> HomePaths:
    return HomePaths(tmp_path / "home")


@pytest.fixture
def store(paths: HomePaths) -> Iterator[Store]:
    with Store.open(paths.database, lambda: NOW) as opened:
        yield opened


def plant(store: Store, paths: HomePaths) -> None:
    for chat_id, word in ((VERA, WORD), (BORIS, OTHER)):
        plant_chat(store, chat_id, word)
        plant_files(store, paths, chat_id, word)
    (paths.home / "telegram.session").unlink(missing_ok=True)
    with closing(sqlite3.connect(paths.session)) as session:
        session.execute("CREATE TABLE entities (id INTEGER PRIMARY KEY, hash INT, username, phone, name, date)")
        session.execute("INSERT INTO entities VALUES (101, 5, ?, 4915, ?, 0)", (f"{WORD}session", f"{WORD} session"))
        session.commit()
    back_up(paths.database, paths.backups, now=NOW - timedelta(days=1), keep=7)
    (paths.backups / ".clone-20250101-000000.db").write_text(f"half a copy {WORD}")
    (paths.backups / "clone-20250102-000000.db").write_text(f"damaged {WORD}")


def plant_chat(store: Store, chat_id: int, word: str) -> None:
    chat = Chat(id=chat_id, kind=ChatKind.GROUP, title=f"{word} title", username=f"{word}user")
    store.chats.save([replace(chat, title=f"{word} former", username=f"{word}before")])
    store.chats.set_mode(chat_id, Mode.AUTO)
    store.chats.save([chat])
    store.chats.set_relationship(chat_id, f"{word} relationship")
    given = store.consents.append(chat_id, Action.GIVEN, given_by=f"{word} consent", wording=f"{word} wording")
    store.consents.append(chat_id, Action.WITHDRAWN, reason=f"{word} reason")
    assert given.given_by is not None
    store.consents.give(chat_id, by=f"{word} consent again")
    store.messages.add(messages_of(chat_id, word))
    store.messages.add([replace(messages_of(chat_id, word)[0], text=f"{word} edited", edited_at=NOW)])
    decision = Decision(chat_id=chat_id, trigger_id=2, state=ReplyState.QUEUED)
    store.replies.decide(decision, [Bubble(text=f"{word} outbox", random_id=chat_id, due_at=NOW)])
    store.withheld.add(chat_id, 2, kind="elsewhere", text=f"{word} withheld")
    with store.engine.begin() as connection:
        waiting = "INSERT OR REPLACE INTO disclosure_queue VALUES (?, 9, ?, 'owner')"
        connection.exec_driver_sql(waiting, (chat_id, f"{word} waits for the index"))
    drafts = store.facts.get(OWN_DRAFTS) or {}
    store.facts.set(OWN_DRAFTS, {**drafts, chat_id: f"{word} draft"})
    store.facts.set(pull_mark(chat_id), Mark(newest=3))
    store.facts.set(reconciled_up_to(chat_id), 3)
    rules = store.facts.get(EXCLUSIONS) or ()
    store.facts.set(EXCLUSIONS, (*rules, Exclusion(chat_id=chat_id, word=f"{word}excluded")))
    store.facts.set(PULL, PullState(text=f"{word} pull"))
    store.commands.answer(store.commands.leave("pause", f"{word} argument"), f"{word} answer")
    store.commands.leave("pause", f"2h {word} title")


def messages_of(chat_id: int, word: str) -> list[Message]:
    long = f"{word} long " + " ".join(f"{word}{number}" for number in range(3000))
    return [
        Message(
            chat_id=chat_id,
            id=number,
            origin=Origin.OWNER if number == 3 else Origin.CONTACT,
            sent_at=NOW - timedelta(minutes=30 - number),
            text=text,
            media=f"{word} media" if number == 2 else None,
            sender_id=500 + number,
            sender_name=f"{word} sender {number}",
        )
        for number, text in ((1, f"{word} before the edit"), (2, long), (3, f"{word} mine"))
    ]


def plant_files(store: Store, paths: HomePaths, chat_id: int, word: str) -> None:
    data = {"train": {"chats": {str(chat_id): {"first_id": 1, "last_id": 3}}}}
    shelf = AdapterShelf(paths.adapters)
    with shelf.write(Manifest(id=f"adapter-{chat_id}", base="tiny", created_at="", data=data)) as folder:
        (folder / "adapter_model.safetensors").write_bytes(b"weights")
    for number, state in enumerate(RunState):
        run = RunFolder.create(paths.runs, NOW + timedelta(seconds=number + chat_id))
        run.write(RunRecord(state=state, data=data))
        (run.path / "train").mkdir()
        (run.path / "train" / "text.npy").write_text(f"{word} run {state}")
    report = paths.report(f"adapter-{chat_id}").folder
    report.mkdir(parents=True)
    (report / "trial.json").write_text(json.dumps({"exchanges": [f"{word} exchange"], "chats": [chat_id]}))
    (report / "report.html").write_text(f"{word} report")
    export = paths.home / f"mine-{chat_id}.jsonl"
    export.write_text(json.dumps({"messages": [f"{word} export"]}))
    note_exports(store, [export], [chat_id])


def plant_without_owner(paths: HomePaths) -> None:
    """Leave what says nothing of whose it is: a damaged run, and a report of a version before."""
    damaged = paths.runs / "20250101-000000-dead"
    damaged.mkdir(parents=True)
    (damaged / "samples.npy").write_text(f"{WORD} damaged run")
    old = paths.report("adapter-102").folder.with_name("adapter-old")
    old.mkdir(parents=True)
    (old / "trial.json").write_text(json.dumps({"exchanges": [f"{WORD} exchange of before"]}))
    (old / ".trial.json.77").write_text(f"{WORD} half a report")


def find_files(home: Path, word: str) -> list[str]:
    """Return the files, however they are named, that hold a word in any of the encodings that SQLite and JSON use."""
    forms = [word.encode(), word.encode("utf-16-le"), word.encode("utf-16-be"), word.upper().encode()]
    return sorted(
        str(path.relative_to(home))
        for path in home.rglob("*")
        if path.is_file() and any(form in path.read_bytes() for form in forms)
    )


def test_every_column_of_text_is_planted() -> None:
    texts = {
        f"{table.name}.{column.name}"
        for table in metadata.tables.values()
        for column in table.columns
        if isinstance(column.type, String | Text | JSON) or getattr(column.type, "impl", None).__class__ is JSON
    }
    assert texts - FIXED == PLANTED


def test_no_byte_of_a_forgotten_chat_is_left_and_the_other_chat_is_whole(store: Store, paths: HomePaths) -> None:
    plant(store, paths)
    plant_without_owner(paths)
    before = find_files(paths.home, WORD)
    assert {"clone.db-wal", "telegram.session", "mine-101.jsonl"} <= set(before) and len(before) >= 11
    chat = store.chats.get(VERA)
    assert chat is not None
    done = forget(store, paths, chat)
    assert find_files(paths.home, WORD) == []
    assert (done.messages, done.rewritten, done.dropped, done.exports) == (3, 1, 2, 1)
    assert done.learned == ("adapter-101",) and done.draft
    kept = set(find_files(paths.home, OTHER))
    assert {"mine-102.jsonl", "reports/adapter-102/report.html"} <= kept
    assert store.chats.get(BORIS) is not None and len(store.messages.window(BORIS, limit=9)) == 3
    assert (store.facts.get(OWN_DRAFTS), store.facts.get(pull_mark(BORIS))) == (
        {BORIS: f"{OTHER} draft"},
        Mark(newest=3),
    )
    assert [one.argument for one in store.commands.waiting()] == [f"2h {OTHER} title"]
    [backup] = paths.backups.glob("*")
    with closing(sqlite3.connect(backup)) as copy:
        assert copy.execute("SELECT DISTINCT chat_id FROM messages").fetchall() == [(BORIS,)]
        assert copy.execute("PRAGMA integrity_check").fetchone() == ("ok",)


@pytest.mark.parametrize("place", ["free page", "search index"])
def test_words_in_a_places_that_sqlite_does_not_clean_go_too(store: Store, paths: HomePaths, place: str) -> None:
    plant_chat(store, VERA, WORD)
    with closing(sqlite3.connect(paths.database)) as raw:
        if place == "free page":
            raw.execute("PRAGMA secure_delete = OFF")
            raw.execute("CREATE TABLE scrap (text)")
            raw.execute("INSERT INTO scrap VALUES (?)", (f"{WORD} scrap" * 5000,))
            raw.execute("DROP TABLE scrap")
        else:
            raw.execute("CREATE VIRTUAL TABLE words USING fts5 (text, chat_id UNINDEXED)")
            raw.executemany("INSERT INTO words VALUES (?, ?)", [(f"{WORD}a", VERA), (f"{OTHER}b", BORIS)])
        raw.commit()
    chat = store.chats.get(VERA)
    assert chat is not None and find_files(paths.home, WORD)
    forget(store, paths, chat)
    assert find_files(paths.home, WORD) == []
    if place == "search index":
        assert find_files(paths.home, OTHER)


def test_an_old_copy_of_the_database_brings_nothing_back(store: Store, paths: HomePaths, tmp_path: Path) -> None:
    plant_chat(store, VERA, WORD)
    elsewhere = back_up(paths.database, tmp_path / "elsewhere", now=NOW, keep=1)
    chat = store.chats.get(VERA)
    assert chat is not None
    forget(store, paths, chat)
    store.close()
    for suffix in ("-wal", "-shm"):
        Path(f"{paths.database}{suffix}").unlink(missing_ok=True)
    shutil.copy(elsewhere, paths.database)
    with Store.open(paths.database) as restored:
        assert restored.chats.get(VERA) is not None
        assert finish_forgetting(restored, paths) == 1
        assert restored.chats.get(VERA) is None and finish_forgetting(restored, paths) == 0
    assert find_files(paths.home, WORD) == []


STEPS = ("delete_exports", "erase_from_store", "delete_runs", "scrub_session", "rewrite_backups", "compact_store")


@pytest.mark.parametrize("step", STEPS)
def test_a_kill_at_any_step_is_made_up_for_at_the_next_start(store: Store, paths: HomePaths, step: str) -> None:
    plant(store, paths)
    store.close()
    script = f"""
        import os, signal
        from pathlib import Path
        from userbot.config.home import HomePaths
        from userbot.store import Store
        from userbot.trust import forget
        def die(*_arguments, **_named):
            os.kill(os.getpid(), signal.SIGKILL)
        forget.{step} = die
        paths = HomePaths(Path({str(paths.home)!r}))
        with Store.open(paths.database) as store:
            forget.forget(store, paths, store.chats.get({VERA}))
    """
    killed = subprocess.run([sys.executable, "-c", textwrap.dedent(script)], check=False, env=os.environ)
    assert killed.returncode == -signal.SIGKILL
    assert find_files(paths.home, WORD)
    with Store.open(paths.database) as again:
        assert finish_forgetting(again, paths) == 1
        assert again.chats.get(VERA) is None and again.facts.get(EXPORTS) is not None
    assert find_files(paths.home, WORD) == []
