"""Forgetting with the daemon and a loopback Telegram: drafts are cleared, nothing comes back."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from command_line import Clone
from daemon_stage import DaemonStage
from fakes_reply import ScriptedGenerator
from telegram_stage import wait_until

from userbot.domain.messages import Mode
from userbot.loopback import LoopbackTelegram
from userbot.store.facts import OWN_DRAFTS

SECRET = "zyxplum"


@pytest.fixture
async def stage(server: LoopbackTelegram, tmp_path: Path) -> DaemonStage:
    return await DaemonStage.set_up(server, tmp_path / "home")


def find_files(stage: DaemonStage, *words: str) -> list[str]:
    files = [path for path in stage.home.rglob("*") if path.is_file() and path.name != "endpoint.json"]
    return [path.name for path in files if any(word.encode() in path.read_bytes() for word in words)]


async def make_draft(stage: DaemonStage) -> None:
    """Let the clone leave a draft for Vera, who has told something."""
    await stage.server.send(stage.vera, stage.owner, f"it is {SECRET}")
    await wait_until(lambda: stage.server.draft(stage.owner, stage.vera))
    with stage.open_store() as store:
        await wait_until(lambda: store.facts.get(OWN_DRAFTS))


async def test_a_yes_in_saved_messages_forgets_the_chat_and_clears_the_draft(stage: DaemonStage) -> None:
    stage.allow(stage.vera, Mode.DRAFT)
    async with stage.daemon(ScriptedGenerator("a draft of zyxmine")):
        await make_draft(stage)
        assert find_files(stage, SECRET, "zyxmine")
        await stage.server.send(stage.owner, stage.owner, "/clone forget @vera")
        await wait_until(lambda: any("To be done: delete for good" in note for note in stage.notes()))
        assert stage.server.draft(stage.owner, stage.vera), "nothing is done before the yes"
        await stage.server.send(stage.owner, stage.owner, "/clone yes")
        await wait_until(lambda: any("is forgotten" in note for note in stage.notes()), timeout_s=30)
        assert stage.server.draft(stage.owner, stage.vera) == ""
        assert find_files(stage, SECRET, "zyxmine", "Vera", "vera") == []
        await stage.server.send(stage.vera, stage.owner, f"again {SECRET}")
        await stage.server.edit(stage.vera, stage.owner, 1, text=f"{SECRET} edited")
        await asyncio.sleep(1.5)
        assert find_files(stage, SECRET, "Vera", "vera") == []
    assert find_files(stage, SECRET, "Vera", "vera") == []


async def test_the_command_line_forgets_under_a_running_daemon(stage: DaemonStage) -> None:
    stage.allow(stage.vera, Mode.DRAFT)
    async with stage.daemon(ScriptedGenerator("a draft of zyxmine")):
        await make_draft(stage)
        out = await asyncio.to_thread(Clone(stage.home), "forget", "Vera", "--yes")
        assert "is forgotten" in out and "daemon clears it" not in out
        assert stage.server.draft(stage.owner, stage.vera) == ""
        assert find_files(stage, SECRET, "zyxmine", "Vera", "vera") == []


async def test_a_draft_that_was_left_is_cleared_by_the_next_daemon_and_the_owners_own_is_not(
    stage: DaemonStage,
) -> None:
    stage.allow(stage.vera, Mode.DRAFT)
    async with stage.daemon(ScriptedGenerator("a draft of zyxmine")):
        await make_draft(stage)
    out = await asyncio.to_thread(Clone(stage.home), "forget", str(stage.vera.user_id), "--yes")
    assert "the daemon clears it" in out and find_files(stage, SECRET, "zyxmine", "Vera", "vera") == []
    await stage.server.save_draft(stage.owner, stage.stranger, "my own")
    async with stage.daemon():
        await wait_until(lambda: stage.server.draft(stage.owner, stage.vera) == "")
    assert stage.server.draft(stage.owner, stage.stranger) == "my own"


async def test_what_was_deleted_and_edited_while_the_daemon_was_away_goes(stage: DaemonStage) -> None:
    async with stage.daemon(ScriptedGenerator("ok")):
        told = await stage.server.send(stage.vera, stage.owner, f"it is {SECRET}")
        other = await stage.server.send(stage.vera, stage.owner, "zyxbefore")
        await stage.heard(stage.vera, 1)
    stage.server.faults.difference_too_long(stage.owner)
    await stage.server.delete(stage.vera, stage.owner, [told.id])
    await stage.server.edit(stage.vera, stage.owner, other.id, text="after")
    async with stage.daemon(ScriptedGenerator("ok")):
        with stage.open_store() as store:

            def texts() -> list[str]:
                return [one.text for one in store.messages.window(stage.vera.user_id, limit=9)]

            await wait_until(lambda: SECRET not in " ".join(texts()) and "after" in texts())
            assert "zyxbefore" not in texts()


async def test_a_forgotten_chat_that_is_allowed_again_starts_empty(stage: DaemonStage) -> None:
    generator = ScriptedGenerator("first", "second")
    async with stage.daemon(generator):
        await stage.server.send(stage.vera, stage.owner, f"it is {SECRET}")
        await stage.heard(stage.vera, 1)
        await asyncio.to_thread(Clone(stage.home), "forget", "Vera", "--yes")
        await asyncio.to_thread(Clone(stage.home), "chats", "allow", "@vera", "--yes")
        await asyncio.sleep(1.5)
        assert find_files(stage, SECRET) == [], "the reconciler and the pull bring nothing back"
        await stage.server.send(stage.vera, stage.owner, "hello again")
        await stage.heard(stage.vera, 2)
    assert [turn.bubbles for turn in generator.prompts[-1].turns] == [("hello again",)]
