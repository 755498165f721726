"""The process of a training: one launcher, read event by event, stopped with patience, and never left behind."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from scripted_training import ScriptedHome

from training.events import Event, Failed, Finished, Judged, Note, Stepped
from userbot.domain.errors import ExitCode
from userbot.retraining.process import (
    Ended,
    TrainingFailedError,
    build_comparison_command,
    build_training_command,
    end_orphan,
    run_process,
)


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ScriptedHome:
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "path"))
    monkeypatch.chdir(tmp_path)
    return ScriptedHome(tmp_path)


def test_a_file_in_the_current_folder_never_stands_in_for_a_module() -> None:
    commands = [build_training_command(Path("/h")), build_comparison_command(Path("/h"), "new", None)]

    assert [command[:4] for command in commands] == [
        [sys.executable, "-P", "-m", "training"],
        [sys.executable, "-P", "-m", "training.judging.compare"],
    ]


async def test_events_are_passed_on_and_results_are_kept(home: ScriptedHome) -> None:
    process = home.program(
        "say(event='step', step=1, loss=2.0); print('no event'); say(event='step', step=2, loss=1.0); "
        "say(event='done', adapter_id='a1'); sys.exit(4)"
    )

    ended = await process.train(None, resume=False, on_event=home.heard.append)

    assert home.heard == [Stepped(step=1, loss=2.0), Stepped(step=2, loss=1.0), Finished(adapter_id="a1")]
    assert ended == Ended(code=4, finished=Finished(adapter_id="a1"))


async def test_it_gives_way_to_other_processes(home: ScriptedHome) -> None:
    process = home.program("say(event='note', text=str(os.nice(0)))")

    await process.train(None, resume=False, on_event=home.heard.append)

    assert home.heard == [Note(str(min(19, os.nice(0) + 5)))]


async def test_training_gets_its_settings_and_its_parent(home: ScriptedHome) -> None:
    await home.program("say_arguments()").train("a0", resume=False, on_event=home.heard.append)

    assert home.arguments() == ["__main__.py", "--home", str(home.path), "--set", "epochs=1", "--parent", "a0"]


@pytest.mark.parametrize(
    ("record", "arguments"), [('{"state": "running"}', ["--resume"]), ('{"state": "done"}', ["--set", "epochs=1"])]
)
async def test_resuming_takes_the_interrupted_runs_own_settings_where_there_is_one(
    home: ScriptedHome, record: str, arguments: list[str]
) -> None:
    run = home.path / "runs" / "r1"
    run.mkdir(parents=True)
    (run / "run.json").write_text(record)

    await home.program("say_arguments()").train(None, resume=True, on_event=home.heard.append)

    assert home.arguments() == ["__main__.py", "--home", str(home.path), *arguments]


@pytest.mark.parametrize(("active", "arguments"), [("old", ["--current", "old"]), (None, [])])
async def test_a_comparison_gets_both_adapters(home: ScriptedHome, active: str | None, arguments: list[str]) -> None:
    await home.program("say_arguments()").compare("new", active, on_event=home.heard.append)

    assert home.arguments() == ["compare.py", "--home", str(home.path), "--candidate", "new", *arguments]


@pytest.mark.parametrize("stubborn", [False, True])
async def test_cancelling_ends_the_process(stubborn: bool, home: ScriptedHome) -> None:
    body = "signal.signal(signal.SIGTERM, signal.SIG_IGN); " if stubborn else ""
    process = home.program(body + "say(event='note', text='started'); time.sleep(60)")
    began = asyncio.Event()
    task = asyncio.create_task(process.train(None, resume=False, on_event=lambda event: began.set()))
    await began.wait()
    pid = process.pid
    assert pid is not None

    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task

    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)
    assert process.pid is None


async def test_a_killed_process_is_known_by_its_signal(home: ScriptedHome) -> None:
    process = home.program("os.kill(os.getpid(), signal.SIGKILL)")

    assert (await process.train(None, resume=False, on_event=home.heard.append)).code == -signal.SIGKILL


async def test_a_crash_is_logged_without_the_values_of_its_error(
    home: ScriptedHome, caplog: pytest.LogCaptureFixture
) -> None:
    process = home.program("raise KeyError('what Vera wrote')")

    with caplog.at_level(logging.ERROR, logger="userbot.retraining.process"):
        ended = await process.train(None, resume=False, on_event=home.heard.append)

    assert ended == Ended(code=1)
    assert [record.getMessage() for record in caplog.records] == ["training process ended with code 1: KeyError"]


async def test_a_failure_that_the_process_explains_is_not_logged(
    home: ScriptedHome, caplog: pytest.LogCaptureFixture
) -> None:
    process = home.program("say(event='error', text='5 turns', exit_code=3); sys.exit(3)")

    ended = await process.train(None, resume=False, on_event=home.heard.append)

    assert ended == Ended(code=3, failed=Failed(text="5 turns", exit_code=3))
    assert caplog.records == []


class Screen:
    """What a blocking run shows."""

    def __init__(self) -> None:
        self.events: list[Event] = []
        self.lines: list[str] = []
        self.interrupts = 0

    def run(self, home: ScriptedHome) -> Ended:
        """Run the comparison, whose program the test has set."""
        command = build_comparison_command(home.path, "new", "old")
        return run_process(
            command, on_event=self.events.append, on_text=self.lines.append, on_interrupt=self.count_interrupt
        )

    def count_interrupt(self) -> None:
        """Remember that Ctrl-C was pressed."""
        self.interrupts += 1


def test_a_blocking_run_shows_events_and_what_libraries_print(home: ScriptedHome) -> None:
    screen = Screen()
    home.program("print('a library'); say(event='verdict', passed=False, summary='No.'); sys.exit(4)")

    ended = screen.run(home)

    assert ended == Ended(code=4, judged=Judged(passed=False, summary="No."))
    assert screen.events == [Judged(passed=False, summary="No.")]
    assert screen.lines == ["a library"]


@pytest.mark.parametrize(
    ("body", "text", "exit_code"),
    [
        ("say(event='error', text='5 turns', exit_code=3); sys.exit(3)", "5 turns", 3),
        ("sys.exit(1)", "It stopped with exit code 1; what it said above tells why.", 1),
        (
            "os.kill(os.getpid(), signal.SIGKILL)",
            "It stopped with exit code -9; what it said above tells why.",
            ExitCode.STOPPED,
        ),
    ],
)
def test_a_blocking_run_without_a_result_fails_as_the_process_did(
    home: ScriptedHome, body: str, text: str, exit_code: int
) -> None:
    home.program(body)

    with pytest.raises(TrainingFailedError) as caught:
        Screen().run(home)

    assert (str(caught.value), caught.value.exit_code) == (text, exit_code)


@pytest.fixture
def _default_interrupt() -> Iterator[None]:
    # Processes that run tests side by side ignore it.
    handler = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, handler)


@pytest.mark.usefixtures("_default_interrupt")
def test_on_ctrl_c_the_process_is_heard_to_its_end(home: ScriptedHome) -> None:
    screen = Screen()
    home.program(
        "os.kill(os.getppid(), signal.SIGINT); time.sleep(0.3); say(event='checkpoint', step=2); "
        "say(event='error', text='stopped after 2 updates', exit_code=130); sys.exit(130)"
    )

    with pytest.raises(TrainingFailedError, match=r"^stopped after 2 updates$") as caught:
        screen.run(home)

    assert screen.interrupts == 1
    assert caught.value.exit_code == ExitCode.STOPPED
    assert len(screen.events) == 2


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
