"""A llama.cpp server that the daemon started: one process, one adapter, gone with the daemon."""

from __future__ import annotations

import asyncio
import json
import sys
from asyncio.subprocess import DEVNULL, PIPE, Process
from dataclasses import asdict
from typing import Self

from userbot.domain.errors import GeneratorError
from userbot.generator.llama_process import LlamaConfig

START_S = 120.0
"""Loading a base of several GiB from a slow disk takes its time."""

END_S = 5.0


class LlamaEngine:
    """A running server.

    Args:
        process: Of `userbot.generator.llama_process`, which has said its address.
        url: That address.
    """

    def __init__(self, process: Process, url: str) -> None:
        self._process = process
        self.url = url

    @classmethod
    async def start(cls, config: LlamaConfig) -> Self:
        """Start a server, and wait until its model is loaded.

        Raises:
            GeneratorError: It can't load the model, or is not ready in time.
        """
        # -P: no module of the current folder comes before the installed ones.
        command = (sys.executable, "-P", "-m", "userbot.generator.llama_process")
        # llama.cpp's own log may hold parts of prompts.
        process = await asyncio.create_subprocess_exec(*command, stdin=PIPE, stdout=PIPE, stderr=DEVNULL)
        engine = cls(process, "")
        try:
            assert process.stdin is not None  # noqa: S101  # a pipe was asked for
            assert process.stdout is not None  # noqa: S101  # the same
            process.stdin.write(json.dumps(asdict(config)).encode() + b"\n")
            await process.stdin.drain()
            async with asyncio.timeout(START_S):
                said = await process.stdout.readline()
            answer = json.loads(said or b"{}")
            if "url" not in answer:
                raise GeneratorError(
                    f"llama.cpp can't serve {config.model}: {answer.get('error', 'its process ended at once')}. "
                    f"Check CLONE_GENERATOR__GGUF and the memory, or set CLONE_GENERATOR__KIND=local"
                )
        except BaseException as exc:
            await engine.end()
            if isinstance(exc, TimeoutError | ConnectionError | ValueError):
                raise GeneratorError(f"llama.cpp was not ready within {START_S:g} s ({type(exc).__name__}).") from exc
            raise
        engine.url = str(answer["url"])
        return engine

    @property
    def is_running(self) -> bool:
        """Tell whether the process lives."""
        return self._process.returncode is None

    async def end(self) -> None:
        """End the process: it leaves when its input ends, and is killed where it does not."""
        if self._process.stdin is not None:
            self._process.stdin.close()
        try:
            await asyncio.wait_for(self._process.wait(), END_S)
        except TimeoutError:
            self._process.kill()
            await self._process.wait()
        # The transport of a finished process is closed here, or its destructor would warn.
        self._process._transport.close()  # type: ignore[attr-defined]  # asyncio offers no public way
