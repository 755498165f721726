"""Which run is resumed, and which is not; whole runs are trained in tests/integration/test_training_run.py."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from training.events import DataCounted
from training.run.pipeline import count_data, resume
from userbot.config.home import HomePaths
from userbot.domain.errors import ConfigError, ConsentError
from userbot.domain.messages import Chat
from userbot.store import Store
from userbot.store.runs import RunFolder, RunRecord, RunState, list_runs


@pytest.fixture
def paths(tmp_path: Path) -> HomePaths:
    return HomePaths(tmp_path / "home")


def add_run(paths: HomePaths, state: RunState, chat_id: int) -> RunFolder:
    run = RunFolder.create(paths.runs, datetime(2026, 1, 5, tzinfo=UTC))
    run.write(RunRecord(state=state, base="tiny", data={"train": {"chats": {str(chat_id): {}}}}))
    return run


def test_a_finished_run_is_not_resumed(store: Store, friend: Chat, paths: HomePaths) -> None:
    add_run(paths, RunState.DONE, friend.id)

    with pytest.raises(ConfigError, match=r"^No training run was interrupted, so there is nothing to resume"):
        resume(store, paths)


def test_a_damaged_run_is_not_resumed(store: Store, friend: Chat, paths: HomePaths) -> None:
    (add_run(paths, RunState.RUNNING, friend.id).path / "run.json").write_text("{")

    with pytest.raises(ConfigError, match=r"^No training run was interrupted"):
        resume(store, paths)


def test_a_run_of_another_process_is_not_resumed(store: Store, friend: Chat, paths: HomePaths) -> None:
    run = add_run(paths, RunState.RUNNING, friend.id)

    with run.claim(), pytest.raises(ConfigError, match=f"^Another process works on run {run.id}"):
        resume(store, paths)


def test_a_run_without_its_consents_is_deleted_and_not_resumed(store: Store, friend: Chat, paths: HomePaths) -> None:
    add_run(paths, RunState.RUNNING, friend.id)

    with pytest.raises(ConsentError, match="learned from 1 chat whose consent was withdrawn"):
        resume(store, paths)

    assert list_runs(paths.runs) == []


def test_data_is_counted_from_the_runs_record() -> None:
    data = {"train": {"samples": 9, "turns": 40, "tokens": 700, "learned_tokens": 300}, "held_out": {"turns": 4}}

    assert count_data(data) == DataCounted(samples=9, turns=40, tokens=700, supervised_tokens=300, held_out_turns=4)
