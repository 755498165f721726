"""A daemon with scripted answers as a process, to be killed by tests: `python daemon_process.py HOME`.

Its settings are those of the folder's `.env`, or quick ones where there is none.
"""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path

from daemon_stage import make_settings
from fakes_reply import ScriptedGenerator

from userbot.config.settings import load_settings
from userbot.daemon.logs import set_up_logging
from userbot.daemon.run import run_daemon
from userbot.domain.errors import CloneError
from userbot.domain.messages import Reply


class EchoGenerator(ScriptedGenerator):
    """Answers in two bubbles that name the newest message, so that each answer can be told from all others."""

    async def generate(self, prompt: object) -> Reply:
        reply = await super().generate(prompt)  # type: ignore[arg-type]  # a test's shorthand
        await asyncio.sleep(float(os.environ.get("GENERATION_S", "0.05")))
        text = reply.bubbles[0]
        return Reply(bubbles=(f"{text} [1]", f"{text} [2]"), adapter_id="a1")


async def _main(home: Path) -> int:
    ready = asyncio.Event()

    async def announce() -> None:
        await ready.wait()
        print("ready", flush=True)  # noqa: T201  # the parent waits for this line

    announcing = asyncio.create_task(announce())
    try:
        pace = float(os.environ.get("PACE", "0.02"))
        settings = load_settings(home) if (home / ".env").exists() else make_settings(home, pace=pace)
        return await run_daemon(settings, generator=EchoGenerator(), ready=ready, reconcile_every_s=1.0)
    finally:
        announcing.cancel()


if __name__ == "__main__":
    set_up_logging("human", os.environ.get("LOG_LEVEL", "error"))
    try:
        sys.exit(asyncio.run(_main(Path(sys.argv[1]))))
    except CloneError as exc:
        print(exc, file=sys.stderr)  # noqa: T201  # as the command line does
        sys.exit(exc.exit_code)
