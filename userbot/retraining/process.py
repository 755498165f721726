"""Training and the gate as processes of their own: niced, heard line by line, ended with the daemon."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import signal
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from userbot.config.home import HomePaths
from userbot.domain.errors import ExitCode

log = logging.getLogger(__name__)

Listener = Callable[[dict[str, Any]], None]

NICE = 10
PATIENCE_S = 30.0
_LINE_BYTES = 2**20
_TOLD = (ExitCode.DONE, ExitCode.WRONG, ExitCode.TOO_LITTLE, ExitCode.WORSE)  # its last event says why


@dataclass(frozen=True, slots=True)
class Ended:
    """How a process ended: its exit code, negative for a signal, and all that its events said last."""

    code: int
    values: dict[str, Any] = field(default_factory=dict)


class TrainingProcess:
    """Starts `python -m training` and the gate on a home folder.

    Args:
        home: The home folder.
        extra: More arguments for training, such as `--set max_steps=5`.
        nice: How much the processes give way to others, 0 to 19.
        patience_s: Time between asking a process to stop and killing it, seconds.
    """

    def __init__(
        self, home: Path, *, extra: Sequence[str] = (), nice: int = NICE, patience_s: float = PATIENCE_S
    ) -> None:
        self._home = home
        self._extra = tuple(extra)
        self._nice = nice
        self._patience_s = patience_s
        self._pid: int | None = None

    @property
    def pid(self) -> int | None:
        """Return the id of the process that runs now."""
        return self._pid

    def end_orphan(self, pid: int) -> bool:
        """Kill a process of this home that has outlived its daemon; return whether there was one."""
        return end_orphan(pid, self._home)

    async def train(self, parent: str | None, *, resume: bool, on_event: Listener) -> Ended:
        """Train, or go on with the run that was interrupted where there is one; return how it ended.

        Cancelling stops the process: it may write a checkpoint, then it is killed.

        Args:
            parent: Adapter to go on from; None starts afresh.
            resume: Go on with the interrupted run.
            on_event: Called with each event, on the event loop.
        """
        arguments = ["-P", "-m", "training", "--home", str(self._home)]
        if resume and has_unfinished(HomePaths(self._home).runs):
            arguments.append("--resume")
        else:
            arguments += [*self._extra, *(["--parent", parent] if parent else [])]
        return await self._run(arguments, on_event)

    async def compare(self, candidate: str, current: str | None, *, on_event: Listener) -> Ended:
        """Hold a candidate against the adapter in service, or the bare base; return how it ended."""
        arguments = ["-P", "-m", "training.judging.compare", "--home", str(self._home), "--candidate", candidate]
        return await self._run([*arguments, *(["--current", current] if current else [])], on_event)

    async def _run(self, arguments: Sequence[str], on_event: Listener) -> Ended:
        command = [sys.executable, *arguments]
        if self._nice:
            command = ["nice", "-n", str(self._nice), *command]
        process = await asyncio.create_subprocess_exec(
            *command,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            limit=_LINE_BYTES,
            env={**os.environ, "PYTHONUNBUFFERED": "1"},
        )
        self._pid = process.pid
        values: dict[str, Any] = {}
        tail = asyncio.create_task(_read_tail(process.stderr))
        try:
            assert process.stdout is not None  # noqa: S101 - it was asked for
            async for line in process.stdout:
                event = read_event(line)
                if event is not None:
                    values |= event
                    on_event(event)
            code = await process.wait()
        except BaseException:
            await self._end(process)
            raise
        finally:
            self._pid = None
            lines = await tail
        if code not in _TOLD:
            # Only the error's name: what follows it may hold a value, and so a message.
            log.error("the process ended with code %d: %s", code, lines[-1].split(":")[0] if lines else "no word")
        return Ended(code, values)

    async def _end(self, process: asyncio.subprocess.Process) -> None:
        with suppress(ProcessLookupError):
            process.terminate()
            try:
                async with asyncio.timeout(self._patience_s):
                    await process.wait()
            except TimeoutError:
                process.kill()
                await process.wait()


def end_orphan(pid: int, home: Path) -> bool:
    """Kill a training process that has outlived its daemon; return whether there was one.

    Args:
        pid: What was its process id.
        home: Its home folder, which tells whether the id is another process's by now. Linux only: elsewhere it ends by
            itself when it next reports to the daemon that is gone.
    """
    with suppress(OSError):
        words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
        if any(word.startswith(b"training") for word in words) and str(home).encode() in words:
            os.kill(pid, signal.SIGKILL)
            return True
    return False


def has_unfinished(runs: Path) -> bool:
    """Tell whether there is a training run that `--resume` would go on with."""
    for path in sorted(runs.glob("*/run.json"), reverse=True):
        with suppress(ValueError, OSError):
            if json.loads(path.read_text("utf-8")).get("state") == "running":
                return True
    return False


def read_event(line: bytes) -> dict[str, Any] | None:
    """Read a line of JSON; None where it is no event."""
    try:
        found = json.loads(line)
    except ValueError:
        return None
    return found if isinstance(found, dict) and "event" in found else None


async def _read_tail(stream: asyncio.StreamReader | None) -> list[str]:
    lines: list[str] = []
    if stream is not None:
        async for line in stream:
            lines = [*lines[-20:], line.decode(errors="replace").strip()]
    return lines
