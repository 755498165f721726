"""The guide's example, run as it stands, and a client in a process of its own."""

from __future__ import annotations

import asyncio
import os
import re
import sys
from functools import partial
from pathlib import Path

from userbot.loopback import LoopbackTelegram, User
from userbot.loopback.faults import Faults

ROOT = Path(__file__).parents[2]
GUIDE = ROOT / "docs" / "loopback.md"

OTHER_PROGRAM = """
import asyncio, os, sys
from telethon import TelegramClient
from userbot.loopback import LoopbackEndpoint

async def main():
    client = TelegramClient(sys.argv[1], 1, "hash", catch_up=True)
    LoopbackEndpoint.from_json(os.environ["ENDPOINT"]).apply(client.session)
    await client.start(phone="+10000000001", code_callback=lambda: "12345")
    await client.send_message("me", "ready")
    await asyncio.sleep(60)

asyncio.run(main())
"""


async def _run(*arguments: str, **environment: str) -> asyncio.subprocess.Process:
    path = {"PYTHONPATH": str(ROOT)}
    return await asyncio.create_subprocess_exec(
        sys.executable, *arguments, env={**os.environ, **path, **environment}, stdout=asyncio.subprocess.PIPE
    )


async def test_example_of_the_guide_prints_what_the_guide_says(tmp_path: Path) -> None:
    text = GUIDE.read_text(encoding="utf-8")
    program, expected = (re.search(rf"```{kind}\n(.*?)```", text, re.DOTALL) for kind in ("python", "text"))
    assert program is not None
    assert expected is not None
    script = tmp_path / "example.py"
    script.write_text(program[1], encoding="utf-8")
    process = await _run("-W", "error", str(script))
    output, _ = await process.communicate()
    assert (process.returncode, output.decode()) == (0, expected[1])


def test_guide_names_only_what_exists() -> None:
    text = GUIDE.read_text(encoding="utf-8")
    faults = re.search(r"`server\.faults\.`.*?\n\n", text, re.DOTALL)
    assert faults is not None
    named = set(re.findall(r"`(\w+)\(", faults[0]))
    public = {name for name, value in vars(Faults).items() if callable(value) and not name.startswith("_")}
    assert named == public - {"clear", "pending", "take"}
    stage = re.search(r"\| Act .*?\n\nIds", text, re.DOTALL)
    assert stage is not None
    first_columns = " ".join(re.findall(r"^\| (`.*?`) \|", stage[0], re.MULTILINE))
    acts = set(re.findall(r"`(?:await )?(\w+)", first_columns))
    assert {"send", "edit", "typing", "conversation", "unread", "wait_for"} <= acts
    assert [name for name in acts if not hasattr(LoopbackTelegram, name)] == []


def _grew(server: LoopbackTelegram, owner: User, length: int) -> bool:
    return len(server.conversation(owner, owner)) > length


async def test_killed_program_comes_back_with_its_session_file(tmp_path: Path) -> None:
    async with LoopbackTelegram() as server:
        owner = server.add_user("Owner", phone="+10000000001")
        for _ in range(2):
            heard = len(server.conversation(owner, owner))
            process = await _run("-c", OTHER_PROGRAM, str(tmp_path / "owner"), ENDPOINT=server.endpoint.to_json())
            await server.wait_for(partial(_grew, server, owner, heard), timeout_s=20)
            process.kill()
            await process.communicate()
        assert len(server.authorizations) == 1
        assert len(server.calls_of("auth.signIn")) == 1
