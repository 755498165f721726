"""Tests of deleting what is older than it may be."""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import pytest
from fakes import START, bubble

from userbot.config.home import HomePaths
from userbot.daemon.housekeeping import back_up
from userbot.domain.messages import Chat, ChatKind
from userbot.store import Store
from userbot.store.decisions import Bubble, Decision, ReplyState
from userbot.store.facts import KEEP_DAYS
from userbot.store.runs import RunFolder, RunRecord, RunState
from userbot.trust.retention import Expired, delete_outdated_runs, expire, find_limits

DAY = 86400


@pytest.fixture
def paths(store: Store, tmp_path: Path) -> HomePaths:
    store.chats.save([Chat(id=number, kind=ChatKind.PRIVATE, title=str(number)) for number in (101, 102, 103)])
    for chat_id in (101, 102, 103):
        store.messages.add(
            bubble(number, f"zyx{chat_id} of {days}", chat_id=chat_id, at_s=-DAY * days)
            for number, days in ((1, 40), (2, 10), (3, 1))
        )
    store.facts.set(KEEP_DAYS, {102: 5, 103: 0})
    return HomePaths(tmp_path / "home")


def left(store: Store) -> dict[int, int]:
    return {chat_id: len(store.messages.window(chat_id, limit=9)) for chat_id in (101, 102, 103)}


def test_each_chat_is_kept_for_its_own_time(store: Store, paths: HomePaths) -> None:
    assert find_limits(store, 30) == {101: 30, 102: 5}
    assert expire(store, paths, keep_days=30).messages == 3
    assert left(store) == {101: 2, 102: 1, 103: 3}
    assert b"zyx102 of 40" not in b"".join(path.read_bytes() for path in paths.home.rglob("*") if path.is_file())


def test_without_the_setting_only_chats_with_a_time_of_their_own_lose_anything(store: Store, paths: HomePaths) -> None:
    expire(store, paths, keep_days=None)
    assert left(store) == {101: 3, 102: 1, 103: 3}
    store.facts.set(KEEP_DAYS, None)
    assert expire(store, paths, keep_days=None) == Expired(0, 0)


def test_answers_of_that_time_go_too(store: Store, paths: HomePaths) -> None:
    decision = Decision(chat_id=102, trigger_id=1, state=ReplyState.QUEUED)
    store.replies.decide(decision, [Bubble(text="an answer", random_id=1, due_at=START)])
    with store.engine.begin() as connection:
        connection.exec_driver_sql("UPDATE replies SET created_at = created_at - ?", (DAY * 6000,))
    expire(store, paths, keep_days=None)
    assert store.replies.pending() == [] and store.replies.newest() == []


def test_samples_reports_and_copies_of_that_time_go_and_younger_copies_are_thinned(
    store: Store, paths: HomePaths
) -> None:
    young = back_up(paths.home / "clone.db", paths.backups, now=START, keep=9)
    old = back_up(paths.home / "clone.db", paths.backups, now=START - timedelta(days=9), keep=9)
    run, done = RunFolder.create(paths.runs, START), RunFolder.create(paths.runs, START)
    (run.path / "train").mkdir()
    (run.path / "train" / "tokens.npy").write_text("x")
    report = paths.report("a1").folder
    report.mkdir(parents=True)
    for path, days in ((young, 1), (old, 9), (run.path, 9), (done.path, 9), (report, 9)):
        at = START.timestamp() - DAY * days
        os.utime(path, (at, at))
    assert expire(store, paths, keep_days=None).files == 3
    assert [path.exists() for path in (young, old, run.path, done.path, report)] == [True, False, False, True, False]
    with closing(sqlite3.connect(young)) as copy:
        assert copy.execute("SELECT COUNT(*) FROM messages WHERE chat_id = 102").fetchone() == (1,)
    assert b"zyx102 of 40" not in young.read_bytes()


def test_a_stopped_training_goes_when_a_message_of_its_samples_was_deleted(store: Store, paths: HomePaths) -> None:
    def stop_run(chat_id: int) -> RunFolder:
        run = RunFolder.create(paths.runs, START)
        data = {"train": {"chats": {str(chat_id): {}}}, "names_at": store.clock().isoformat()}
        run.write(RunRecord(state=RunState.RUNNING, data=data))
        (run.path / "train").mkdir()
        (run.path / "train" / "tokens.npy").write_text("x")
        return run

    runs = [stop_run(101), stop_run(102)]
    assert delete_outdated_runs(store, paths.runs) == 0
    store.messages.mark_deleted(101, [1])
    assert delete_outdated_runs(store, paths.runs) == 1
    assert [run.path.exists() for run in runs] == [False, True]
