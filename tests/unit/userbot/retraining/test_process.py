"""The training's process: heard line by line, stopped with patience, and never left behind."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from userbot.retraining.process import Ended, TrainingProcess, end_orphan, has_unfinished

PROGRAM = '''
"""Stands in for the training package."""
import json, os, signal, sys, time
def say(**event): print(json.dumps(event), flush=True)
{body}
'''


def put_program(folder: Path, body: str, monkeypatch: pytest.MonkeyPatch) -> TrainingProcess:
    """Put a package named `training` before ours on the process's path."""
    package = folder / "path" / "training"
    (package / "judging").mkdir(parents=True)
    (package / "__init__.py").touch()
    for name in ("__main__.py", "judging/compare.py"):
        (package / name).write_text(PROGRAM.format(body=body))
    monkeypatch.setenv("PYTHONPATH", str(package.parent))
    monkeypatch.chdir(folder)
    return TrainingProcess(folder / "home", extra=("--set", "epochs=1"), nice=5, patience_s=0.3)


async def test_events_are_heard_and_the_last_values_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    process = put_program(
        tmp_path,
        "say(event='step', step=1); print('no event'); say(event='step', step=2); "
        "say(event='done', adapter_id='a1'); sys.exit(4)",
        monkeypatch,
    )
    heard: list[dict[str, Any]] = []

    ended = await process.train(None, resume=False, on_event=heard.append)

    assert [event["event"] for event in heard] == ["step", "step", "done"]
    assert ended == Ended(4, {"event": "done", "step": 2, "adapter_id": "a1"})


async def test_it_gives_way_to_other_processes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    process = put_program(tmp_path, "say(event='note', nice=os.nice(0), words=sys.argv[1:])", monkeypatch)

    ended = await process.train("a0", resume=False, on_event=lambda event: None)

    assert ended.values["nice"] == min(19, os.nice(0) + 5)
    assert ended.values["words"] == ["--home", str(tmp_path / "home"), "--set", "epochs=1", "--parent", "a0"]


async def test_resuming_takes_the_interrupted_runs_own_settings(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    process = put_program(tmp_path, "say(event='note', words=sys.argv[1:])", monkeypatch)
    run = tmp_path / "home" / "runs" / "r1"
    run.mkdir(parents=True)
    (run / "run.json").write_text('{"state": "running"}')

    ended = await process.train("a0", resume=True, on_event=lambda event: None)

    assert ended.values["words"] == ["--home", str(tmp_path / "home"), "--resume"]


async def test_the_gate_gets_both_adapters(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    process = put_program(tmp_path, "say(event='note', words=sys.argv[1:])", monkeypatch)

    ended = await process.compare("new", "old", on_event=lambda event: None)

    assert ended.values["words"] == ["--home", str(tmp_path / "home"), "--candidate", "new", "--current", "old"]


@pytest.mark.parametrize("stubborn", [False, True])
async def test_cancelling_ends_the_process(stubborn: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    body = "signal.signal(signal.SIGTERM, signal.SIG_IGN); " if stubborn else ""
    process = put_program(tmp_path, body + "say(event='note', pid=os.getpid()); time.sleep(60)", monkeypatch)
    began = asyncio.Event()
    heard: list[dict[str, Any]] = []

    def hear(event: dict[str, Any]) -> None:
        heard.append(event)
        began.set()

    task = asyncio.create_task(process.train(None, resume=False, on_event=hear))
    await began.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task

    with pytest.raises(ProcessLookupError):
        os.kill(heard[0]["pid"], 0)
    assert process.pid is None


async def test_a_killed_process_is_told_by_its_signal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    process = put_program(tmp_path, "os.kill(os.getpid(), signal.SIGKILL)", monkeypatch)

    assert (await process.train(None, resume=False, on_event=lambda event: None)).code == -signal.SIGKILL


async def test_a_crash_is_logged_without_the_values_of_its_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    process = put_program(tmp_path, "raise KeyError('what Vera wrote')", monkeypatch)

    with caplog.at_level(logging.ERROR, logger="userbot.retraining.process"):
        ended = await process.train(None, resume=False, on_event=lambda event: None)

    assert ended.code == 1
    assert [record.getMessage() for record in caplog.records] == ["the process ended with code 1: KeyError"]


@pytest.mark.skipif(not Path("/proc/self/cmdline").exists(), reason="tells processes apart by /proc, so Linux only")
def test_an_orphan_is_killed_and_a_stranger_spared(tmp_path: Path) -> None:
    code = "import time; print(flush=True); time.sleep(60)"
    orphan, stranger = (
        subprocess.Popen([sys.executable, "-c", code, "training", "--home", home], stdout=subprocess.PIPE)
        for home in (str(tmp_path), "/somewhere/else")
    )
    try:
        for process in (orphan, stranger):
            assert process.stdout is not None
            process.stdout.readline()

        assert end_orphan(orphan.pid, tmp_path)
        assert not end_orphan(stranger.pid, tmp_path)

        assert orphan.wait(10) == -signal.SIGKILL
        assert stranger.poll() is None
    finally:
        for process in (orphan, stranger):
            process.kill()
            process.communicate()


@pytest.mark.parametrize(
    ("text", "expected"), [('{"state": "running"}', True), ('{"state": "done"}', False), ("{", False)]
)
def test_only_an_unfinished_run_can_be_resumed(text: str, expected: bool, tmp_path: Path) -> None:
    (tmp_path / "r1").mkdir()
    (tmp_path / "r1" / "run.json").write_text(text)

    assert has_unfinished(tmp_path) is expected
