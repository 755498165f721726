"""Training and comparison as processes of their own: started, read event by event, stopped. The one launcher.

The daemon runs them through `TrainingProcess`, which is asynchronous, polite to other programs, and ends them with the
daemon. The command line runs them through `run_process`, which blocks, and leaves Ctrl-C to the process.
"""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

from training.events import Event, Failed, Finished, Judged, parse_event
from userbot.config.home import HomePaths
from userbot.config.passphrase import KEYS
from userbot.domain.errors import CloneError, ExitCode
from userbot.store.runs import list_unfinished

log = logging.getLogger(__name__)

EventHandler = Callable[[Event], None]

NICE = 10
STOP_TIMEOUT_S = 30.0
READY_CODES = (ExitCode.DONE, ExitCode.WORSE)
"""The process came to its end: an adapter was made, or a verdict was reached."""

_EXPLAINED_CODES = (*READY_CODES, ExitCode.WRONG, ExitCode.TOO_LITTLE)  # its last event says why
_MAX_LINE_BYTES = 2**20


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """How a process ended, and what it reported.

    Args:
        code: Exit code; negative for the signal that killed it.
        finished: The adapter that training made.
        judged: The verdict of a comparison.
        failed: Why it ended without either, in its own words.
    """

    code: int
    finished: Finished | None = None
    judged: Judged | None = None
    failed: Failed | None = None

    def add(self, event: Event) -> Ended:
        """Return the same, with an event of the process taken in."""
        match event:
            case Finished():
                return replace(self, finished=event)
            case Judged():
                return replace(self, judged=event)
            case Failed():
                return replace(self, failed=event)
            case _:
                return self


class TrainingFailedError(CloneError):
    """A process of training or comparison ended without a result.

    Args:
        text: What it said last.
        exit_code: Code that the command exits with.
    """

    def __init__(self, text: str, exit_code: int) -> None:
        super().__init__(text)
        self.exit_code = exit_code


def build_training_command(home: Path, *arguments: str) -> list[str]:
    """Return the command that trains an adapter.

    Args:
        home: The home folder.
        arguments: More of `python -m training`, such as `--set`, `max_steps=5`.
    """
    return _build_command("training", "--home", str(home), *arguments)


def build_comparison_command(home: Path, candidate: str, active: str | None) -> list[str]:
    """Return the command that compares two adapters.

    Args:
        home: The home folder.
        candidate: Id of the new adapter.
        active: Id of the active one; None compares with the bare base.
    """
    arguments = ["--home", str(home), "--candidate", candidate, *(["--current", active] if active else [])]
    return _build_command("training.judging.compare", *arguments)


def _build_command(module: str, *arguments: str) -> list[str]:
    # -P: a file in the current folder must not stand in for a module.
    return [sys.executable, "-P", "-m", module, *arguments]


def run_process(
    command: Sequence[str], *, on_event: EventHandler, on_text: Callable[[str], None], on_interrupt: Callable[[], None]
) -> Ended:
    """Run a process to its end, blocking; what it writes to standard error goes where ours does.

    On Ctrl-C the terminal signals the process too. It writes a checkpoint and says how to continue, so we wait for it.

    Args:
        command: From `build_training_command` or `build_comparison_command`.
        on_event: Called with each event.
        on_text: Called with each line that is no event, such as a library's.
        on_interrupt: Called on Ctrl-C.

    Returns:
        How it ended, with an adapter or a verdict.

    Raises:
        TrainingFailedError: It ended without one.
    """
    ended = Ended(code=0)
    with (
        KEYS.lend() as (variables, descriptors),
        subprocess.Popen(  # noqa: S603  # our own modules
            command, stdout=subprocess.PIPE, env={**os.environ, **variables}, pass_fds=descriptors
        ) as process,
    ):
        assert process.stdout is not None  # noqa: S101  # it was asked for
        lines = iter(process.stdout)
        while True:
            try:
                line = next(lines, None)
                if line is None:
                    break
                event = parse_event(line)
                if event is None:
                    on_text(line.decode(errors="replace").rstrip())
                else:
                    ended = ended.add(event)
                    on_event(event)
            except KeyboardInterrupt:
                on_interrupt()
    ended = replace(ended, code=process.returncode)
    if ended.code not in READY_CODES:
        unexplained = f"It stopped with exit code {ended.code}; what it said above tells why."
        text = ended.failed.text if ended.failed else unexplained
        raise TrainingFailedError(text, ended.code if ended.code > 0 else ExitCode.STOPPED)
    return ended


class TrainingProcess:
    """Runs training and comparison on a home folder, one at a time, beside the daemon.

    Args:
        home: The home folder.
        arguments: More arguments for training, such as `--set`, `max_steps=5`.
        nice: How much the processes give way to others, 0 to 19.
        stop_timeout_s: Time between asking a process to stop and killing it, seconds.
    """

    def __init__(
        self, home: Path, *, arguments: Sequence[str] = (), nice: int = NICE, stop_timeout_s: float = STOP_TIMEOUT_S
    ) -> None:
        self._home = home
        self._arguments = tuple(arguments)
        self._nice = nice
        self._stop_timeout_s = stop_timeout_s
        self._pid: int | None = None

    @property
    def pid(self) -> int | None:
        """Return the id of the process that runs now."""
        return self._pid

    def end_orphan(self, pid: int) -> bool:
        """Kill a process of this home that has outlived its daemon; return whether there was one."""
        return end_orphan(pid, self._home)

    async def train(self, parent: str | None, *, resume: bool, on_event: EventHandler) -> Ended:
        """Train, or continue the run that was interrupted where there is one.

        Cancelling stops the process: it may write a checkpoint, then it is killed.

        Args:
            parent: Id of the adapter to continue from; None starts afresh.
            resume: Continue the interrupted run, with its own settings.
            on_event: Called with each event, on the event loop.

        Returns:
            How it ended.
        """
        if resume and list_unfinished(HomePaths(self._home).runs):
            return await self._run(build_training_command(self._home, "--resume"), on_event)
        arguments = [*self._arguments, *(["--parent", parent] if parent else [])]
        return await self._run(build_training_command(self._home, *arguments), on_event)

    async def compare(self, candidate: str, active: str | None, *, on_event: EventHandler) -> Ended:
        """Compare a candidate with the active adapter, or with the bare base.

        Args:
            candidate: Id of the new adapter.
            active: Id of the active one, or None.
            on_event: Called with each event, on the event loop.

        Returns:
            How it ended.
        """
        return await self._run(build_comparison_command(self._home, candidate, active), on_event)

    async def _run(self, command: Sequence[str], on_event: EventHandler) -> Ended:
        if self._nice:
            command = ["nice", "-n", str(self._nice), *command]
        with KEYS.lend() as (variables, descriptors):
            process = await asyncio.create_subprocess_exec(
                *command,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.PIPE,
                limit=_MAX_LINE_BYTES,
                env={**os.environ, "PYTHONUNBUFFERED": "1", **variables},
                pass_fds=descriptors,
            )
        self._pid = process.pid
        ended = Ended(code=0)
        tail = asyncio.create_task(_read_tail(process.stderr))
        try:
            assert process.stdout is not None  # noqa: S101  # it was asked for
            async for line in process.stdout:
                event = parse_event(line)
                if event is not None:
                    ended = ended.add(event)
                    on_event(event)
            code = await process.wait()
        except BaseException:
            await self._stop(process)
            raise
        finally:
            self._pid = None
            last_lines = await tail
        if code not in _EXPLAINED_CODES:
            # Only the error's name: what follows it may hold a value, and so a message.
            said = last_lines[-1].split(":")[0] if last_lines else "nothing on standard error"
            log.error("training process ended with code %d: %s", code, said)
        return replace(ended, code=code)

    async def _stop(self, process: asyncio.subprocess.Process) -> None:
        with suppress(ProcessLookupError):
            process.terminate()
            try:
                async with asyncio.timeout(self._stop_timeout_s):
                    await process.wait()
            except TimeoutError:
                process.kill()
                await process.wait()


def end_orphan(pid: int, home: Path) -> bool:
    """Kill a training process that has outlived its daemon.

    Args:
        pid: Its process id, when the daemon last knew of it.
        home: Its home folder, which tells whether the id belongs to another process by now. Linux only: elsewhere the
            process ends when it next reports to the daemon that is gone.

    Returns:
        Whether there was one.
    """
    with suppress(OSError):
        words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
        if any(word.startswith(b"training") for word in words) and str(home).encode() in words:
            os.kill(pid, signal.SIGKILL)
            return True
    return False


async def _read_tail(stream: asyncio.StreamReader | None) -> list[str]:
    """Return the last lines of a stream, so that its pipe never fills up."""
    lines: list[str] = []
    if stream is not None:
        async for line in stream:
            lines = [*lines[-20:], line.decode(errors="replace").strip()]
    return lines
