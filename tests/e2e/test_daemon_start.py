"""Starting the daemon: what it needs, and what it says where that is missing."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
from daemon_stage import DaemonStage, read_daemon_state
from fakes_reply import ScriptedGenerator
from telegram_stage import wait_until

from userbot.daemon.run import run_daemon
from userbot.domain.errors import LoginError
from userbot.domain.messages import Mode
from userbot.loopback import LoopbackTelegram
from userbot.store.adapters import AdapterShelf, Manifest
from userbot.telegram.account import TelegramAccount


@pytest.fixture
async def stage(tmp_path: Path) -> AsyncIterator[DaemonStage]:
    async with LoopbackTelegram() as server:
        yield await DaemonStage.set_up(server, tmp_path / "home")


async def test_daemon_without_an_allowed_chat_starts_and_says_that_it_answers_nobody(
    stage: DaemonStage, caplog: pytest.LogCaptureFixture
) -> None:
    stage.allow(stage.vera, Mode.OFF)
    with caplog.at_level(logging.WARNING, "userbot.daemon"):
        async with stage.daemon():
            await stage.server.send(stage.vera, stage.owner, "hi")
            await asyncio.sleep(0.5)
    assert any(
        "answers nobody, as no chat is allowed; allow one: clone chats allow CHAT" in text for text in caplog.messages
    )
    assert stage.replies(stage.vera) == []


async def test_daemon_that_is_not_logged_in_leaves_with_its_state(stage: DaemonStage) -> None:
    stage.settings.paths.session.unlink()
    with pytest.raises(LoginError, match="clone login"):
        await run_daemon(stage.settings, generator=ScriptedGenerator())
    with stage.open_store() as store:
        assert read_daemon_state(store).state == "needs login"


async def test_daemon_that_finds_no_network_can_be_stopped(stage: DaemonStage) -> None:
    await stage.server.stop()
    stop = asyncio.Event()
    task = asyncio.create_task(run_daemon(stage.settings, generator=ScriptedGenerator(), stop=stop))
    await asyncio.sleep(0.5)
    assert not task.done()
    stop.set()
    assert await asyncio.wait_for(task, 10) == 0
    with stage.open_store() as store:
        assert read_daemon_state(store).state == "stopped"


async def test_daemon_that_breaks_leaves_the_state_failed(stage: DaemonStage, monkeypatch: pytest.MonkeyPatch) -> None:
    async def break_down(*_: object, **__: object) -> None:
        await asyncio.sleep(0.3)
        raise RuntimeError("a bug")

    monkeypatch.setattr(TelegramAccount, "keep_reconciled", break_down)
    with pytest.raises(RuntimeError, match="a bug"):
        await run_daemon(stage.settings, generator=ScriptedGenerator())
    with stage.open_store() as store:
        assert read_daemon_state(store).state == "failed"


async def test_health_endpoint_tells_the_state(stage: DaemonStage) -> None:
    stage.settings.health.port = 0
    records: list[logging.LogRecord] = []
    handler = logging.Handler()
    handler.emit = records.append  # type: ignore[method-assign,assignment]  # the port is known from the log only
    logger = logging.getLogger("userbot.daemon.daemon")
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    try:
        async with stage.daemon():
            url = next(record.getMessage().split()[-1] for record in records if "health" in record.getMessage())
            async with httpx.AsyncClient() as client:
                answer = await client.get(url)
                assert (answer.status_code, answer.json()["state"]) == (200, "connected")
                assert "clone_state" in (await client.get(url.replace("health", "metrics"))).text
    finally:
        logger.removeHandler(handler)


async def test_adapter_that_is_activated_is_loaded_while_running(stage: DaemonStage) -> None:
    generator = ScriptedGenerator()
    shelf = AdapterShelf(stage.settings.paths.adapters)
    async with stage.daemon(generator):
        with shelf.write(Manifest(id="a2", base="tiny", created_at="2026-01-05T12:00:00+00:00")) as folder:
            (folder / "adapter_model.safetensors").touch()
        shelf.activate("a2")
        await wait_until(lambda: generator.adapter_id == "a2")
        await stage.server.send(stage.vera, stage.owner, "hi")
        await stage.heard(stage.vera, 1)
    with stage.open_store() as store:
        assert store.replies.newest()[0].adapter_id == "a2"


async def test_own_draft_is_replaced_after_a_restart_and_the_owners_is_not(stage: DaemonStage) -> None:
    stage.allow(stage.vera, Mode.DRAFT)
    async with stage.daemon(ScriptedGenerator("first thought")):
        await stage.server.send(stage.vera, stage.owner, "when?")
        await wait_until(lambda: stage.server.draft(stage.owner, stage.vera) == "first thought")
    async with stage.daemon(ScriptedGenerator("second thought")):
        await stage.server.send(stage.vera, stage.owner, "hm?")
        await wait_until(lambda: stage.server.draft(stage.owner, stage.vera) == "second thought")
    await stage.server.save_draft(stage.owner, stage.vera, "my own words")
    async with stage.daemon(ScriptedGenerator("third thought")):
        await stage.server.send(stage.vera, stage.owner, "so?")
        await asyncio.sleep(0.8)
        assert stage.server.draft(stage.owner, stage.vera) == "my own words"
