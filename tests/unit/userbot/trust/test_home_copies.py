"""Tests of what lies outside the database."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from dataclasses import replace
from pathlib import Path

from fakes import START, bubble

from userbot.daemon.housekeeping import back_up
from userbot.domain.messages import Chat, ChatKind
from userbot.store import Store
from userbot.store.erasure import Target
from userbot.store.facts import EXPORTS
from userbot.store.runs import RunFolder, RunRecord, RunState
from userbot.trust.home_copies import (
    delete_exports,
    delete_reports,
    delete_runs,
    list_learned,
    note_exports,
    rewrite_backups,
    scrub_session,
    update_backups,
)


def test_chats_of_training_of_measuring_and_of_parents_count_as_learned() -> None:
    data = {"train": {"chats": {"1": {}}}, "held_out": {"chats": {"2": {}}}, "known": {"3": {}}}
    assert list_learned(data) == {1, 2, 3} and list_learned({}) == set()


def test_runs_of_other_chats_stay_and_those_that_say_nothing_go(tmp_path: Path) -> None:
    kept, gone, unknown = (RunFolder.create(tmp_path, START) for _ in range(3))
    kept.write(RunRecord(state=RunState.DONE, data={"train": {"chats": {"2": {}}}}))
    gone.write(RunRecord(state=RunState.RUNNING, data={"known": {"1": {}}}))
    assert delete_runs(tmp_path, {1}) == []
    assert [one.path.exists() for one in (kept, gone, unknown)] == [True, False, False]


def test_a_run_under_way_is_waited_for(tmp_path: Path) -> None:
    run = RunFolder.create(tmp_path, START)
    naps: list[float] = []
    with run.claim():
        assert delete_runs(tmp_path, {1}, sleep=naps.append) == [run.id]
    assert sum(naps) > 10 and run.path.exists()


def test_reports_of_other_chats_stay(tmp_path: Path) -> None:
    for name, content in (("a", {"chats": [2]}), ("b", {"chats": [1, 2]}), ("c", {}), ("d", {"chats": "?"})):
        (tmp_path / name).mkdir()
        (tmp_path / name / "trial.json").write_text(json.dumps(content))
    assert delete_reports(tmp_path, {1}) == 3
    assert [path.name for path in tmp_path.iterdir()] == ["a"]


def test_exports_are_found_again_and_something_else_at_their_place_stays(store: Store, tmp_path: Path) -> None:
    paths = [tmp_path / name for name in ("a.jsonl", "b.jsonl", "c.jsonl", "gone.jsonl", "folder")]
    for path in paths[:3]:
        path.write_text('{"messages": []}\n')
    paths[4].mkdir()
    (paths[4] / "dataset_dict.json").write_text("{}")
    note_exports(store, paths, [1, 2])
    note_exports(store, paths[1:2], [2])
    paths[2].write_text("my own notes")
    assert delete_exports(store, {1}) == (2, [str(paths[2])])
    assert [path.exists() for path in paths] == [False, True, True, False, False]
    assert [one.path for one in store.facts.get(EXPORTS) or ()] == [str(paths[1])]


def test_files_that_nobody_backed_up_are_not_touched(tmp_path: Path) -> None:
    foreign = tmp_path / "notes.txt"
    foreign.write_text("mine")
    (tmp_path / "clone-1.db").write_text("no database")
    with closing(sqlite3.connect(tmp_path / "clone-2.db")) as connection:
        connection.execute("CREATE TABLE t (chat_id)")
    assert rewrite_backups(tmp_path, Target(chat_ids=[1]), now_ms=0) == (1, 1)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["clone-2.db", "notes.txt"]


def test_a_missing_or_foreign_session_is_no_trouble(tmp_path: Path) -> None:
    scrub_session(tmp_path / "none")
    assert not (tmp_path / "none").exists()
    (tmp_path / "text").write_text("no database at all, but long enough to be looked at as one " * 9)
    scrub_session(tmp_path / "text")


def test_copies_lose_what_was_deleted_and_edited_since(store: Store, tmp_path: Path) -> None:
    store.chats.save([Chat(id=101, kind=ChatKind.PRIVATE, title="Vera")])
    store.messages.add([bubble(1, "zyxdeleted"), bubble(2, "zyxbefore"), bubble(3, "stays")])
    database, backups = tmp_path / "home" / "clone.db", tmp_path / "backups"
    copy = back_up(database, backups, now=START, keep=1)
    (backups / "clone-1.db").write_text("damaged")
    store.messages.mark_deleted(101, [1])
    store.messages.add([replace(bubble(2, "after"), edited_at=START)])
    assert update_backups(database, backups) == 1
    assert not any(word in copy.read_bytes() for word in (b"zyxdeleted", b"zyxbefore"))
    assert b"stays" in copy.read_bytes() and b"after" in copy.read_bytes()
    assert update_backups(database, backups) == 0
