"""Run folders: what is remembered of a run, who may work on it, and what a damaged record means."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from userbot.domain.errors import ConfigError
from userbot.store.runs import RunFolder, RunRecord, RunState, find_run_of, list_runs, list_unfinished

NOW = datetime(2026, 1, 5, 12, tzinfo=UTC)
DAMAGED = ["", "{", "[]", "5", '{"state": "sideways"}', '{"base": "tiny"}', '{"state": "done", "data": 5}']


def add_run(runs: Path, name: str, text: str) -> RunFolder:
    (runs / name).mkdir(parents=True)
    (runs / name / "run.json").write_text(text)
    return RunFolder(runs / name)


def test_a_record_is_read_as_it_was_written(tmp_path: Path) -> None:
    run = RunFolder.create(tmp_path / "runs", NOW)
    assert run.read() is None
    running = RunRecord(state=RunState.RUNNING, base="tiny", parent="a0", config={"epochs": 3}, data={"known": {}})

    run.write(running)

    assert run.read() == running
    assert json.loads((run.path / "run.json").read_text()) == {
        "state": "running",
        "base": "tiny",
        "parent": "a0",
        "config": {"epochs": 3},
        "data": {"known": {}},
    }


def test_a_runs_folder_is_for_the_owner_only(tmp_path: Path) -> None:
    run = RunFolder.create(tmp_path / "runs", NOW)
    with run.claim():
        pass

    assert run.path.stat().st_mode & 0o777 == 0o700
    assert run.log.stat().st_mode & 0o777 == 0o600


def test_keys_of_another_version_are_left_out(tmp_path: Path) -> None:
    run = add_run(tmp_path, "r1", '{"state": "done", "adapter_id": "a1", "mood": "good"}')

    assert run.read() == RunRecord(state=RunState.DONE, adapter_id="a1")


@pytest.mark.parametrize("text", DAMAGED)
def test_a_damaged_record_stops_nobody(text: str, tmp_path: Path) -> None:
    damaged = add_run(tmp_path, "r2", text)
    add_run(tmp_path, "r1", '{"state": "running"}')

    assert damaged.read() is None
    assert [run.id for run in list_runs(tmp_path)] == ["r1", "r2"]
    assert [run.id for run, _ in list_unfinished(tmp_path)] == ["r1"]
    assert find_run_of(tmp_path, "a1") is None


def test_only_an_unfinished_run_can_be_resumed(tmp_path: Path) -> None:
    add_run(tmp_path, "r1", '{"state": "running"}')
    add_run(tmp_path, "r2", '{"state": "done", "adapter_id": "a2"}')
    add_run(tmp_path, "r3", '{"state": "running", "base": "tiny"}')

    assert list_unfinished(tmp_path) == [
        (RunFolder(tmp_path / "r1"), RunRecord(state=RunState.RUNNING)),
        (RunFolder(tmp_path / "r3"), RunRecord(state=RunState.RUNNING, base="tiny")),
    ]
    assert list_unfinished(tmp_path / "missing") == []


def test_the_run_of_an_adapter_is_found(tmp_path: Path) -> None:
    for name in ("1", "2"):
        add_run(tmp_path, f"r{name}", json.dumps({"state": "done", "adapter_id": f"a{name}"}))

    assert find_run_of(tmp_path, "a1") == RunFolder(tmp_path / "r1")
    assert find_run_of(tmp_path, "a9") is None


def test_two_processes_never_work_on_one_run(tmp_path: Path) -> None:
    run = RunFolder.create(tmp_path, NOW)

    with (
        run.claim() as log,
        pytest.raises(ConfigError, match=f"^Another process works on run {run.id}"),
        RunFolder(run.path).claim(),
    ):
        pass

    assert log.closed
    with run.claim():
        pass  # released with the first one's end


def test_a_finished_run_keeps_its_log_and_nothing_that_quotes_messages(tmp_path: Path) -> None:
    run = RunFolder.create(tmp_path, NOW)
    for folder in ("train", "held_out"):
        (run.path / folder).mkdir()
        (run.path / folder / "ids.npy").touch()
    run.checkpoint.touch()
    run.log.touch()

    run.clear()

    assert [path.name for path in run.path.iterdir()] == ["log.jsonl"]
    run.remove()
    assert list_runs(tmp_path) == []
