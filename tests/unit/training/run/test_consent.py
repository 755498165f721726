"""Consents that are withdrawn after training has begun: the run stops, and what it holds is deleted."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from training.run.consent import CHECK_INTERVAL_S, ConsentWatch, forget_runs
from userbot.domain.errors import ConsentError
from userbot.domain.messages import Chat, ChatKind
from userbot.store import Store
from userbot.store.runs import RunFolder, RunRecord, RunState, list_runs

DATA = {"train": {"chats": {"101": {}}}, "held_out": {"chats": {"102": {}}}, "known": {"103": [[1, 9]]}}


@pytest.fixture
def consenting(store: Store) -> Store:
    for chat_id in (101, 102, 103, 104):
        store.chats.save([Chat(id=chat_id, kind=ChatKind.PRIVATE, title="somebody")])
        store.consents.give(chat_id, by="them")
    return store


def add_run(runs: Path, *, state: RunState = RunState.RUNNING) -> RunFolder:
    run = RunFolder.create(runs, datetime(2026, 1, 5, tzinfo=UTC))
    run.write(RunRecord(state=state, data=DATA))
    return run


def test_the_store_is_read_only_every_few_seconds(consenting: Store, tmp_path: Path) -> None:
    now_s = 0.0
    watch = ConsentWatch(consenting, DATA, RunFolder(tmp_path), should_stop=lambda: False, clock=lambda: now_s)
    assert not watch.should_stop()
    consenting.consents.take_back(101)

    now_s = CHECK_INTERVAL_S - 0.1
    assert not watch.should_stop()
    now_s = CHECK_INTERVAL_S
    assert watch.should_stop()


def test_somebody_else_may_stop_the_run_at_once(consenting: Store, tmp_path: Path) -> None:
    assert ConsentWatch(consenting, DATA, RunFolder(tmp_path), should_stop=lambda: True).should_stop()


def test_a_withdrawn_consent_deletes_the_runs_data(consenting: Store, tmp_path: Path) -> None:
    run = add_run(tmp_path)
    watch = ConsentWatch(consenting, DATA, run, should_stop=lambda: False)
    watch.check()
    assert run.path.is_dir()

    consenting.consents.take_back(101)
    consenting.consents.take_back(103)
    with pytest.raises(
        ConsentError, match=f"^Run {run.id} learned from 2 chats whose consent was withdrawn, so it has"
    ):
        watch.check()

    assert not run.path.exists()


def test_interrupted_runs_are_forgotten_and_finished_ones_kept(consenting: Store, tmp_path: Path) -> None:
    runs = tmp_path / "runs"
    done, interrupted = add_run(runs, state=RunState.DONE), add_run(runs)
    assert forget_runs(consenting, runs) == 0

    consenting.consents.take_back(102)

    assert forget_runs(consenting, runs) == 1
    assert list_runs(runs) == [done]
    assert not interrupted.path.exists()


def test_a_run_under_way_is_left_to_its_process(consenting: Store, tmp_path: Path) -> None:
    run = add_run(tmp_path)
    consenting.consents.take_back(102)

    with RunFolder(run.path).claim():
        assert forget_runs(consenting, tmp_path) == 0

    assert forget_runs(consenting, tmp_path) == 1
