"""A daemon process that is killed, stopped, locked out: nothing lost, nothing twice."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from pathlib import Path
from random import Random

import pytest
from daemon_stage import DaemonStage, end_process, read_daemon_state, start_process
from telegram_stage import wait_until

from userbot.domain.errors import ExitCode
from userbot.domain.messages import Origin
from userbot.loopback import LoopbackTelegram
from userbot.store.replies import ReplyState

TEXTS = ["hi", "bring the red umbrella", "what a weather"]


@pytest.fixture
async def stage(tmp_path: Path) -> AsyncIterator[DaemonStage]:
    async with LoopbackTelegram() as server:
        yield await DaemonStage.set_up(server, tmp_path / "home")


@pytest.mark.slow
async def test_daemon_killed_at_random_moments_answers_each_burst_once(stage: DaemonStage) -> None:
    random = Random(5)  # noqa: S311  # moments of a test
    for text in TEXTS:
        process = await start_process(stage.home)
        await stage.server.send(stage.vera, stage.owner, text)
        await asyncio.sleep(random.uniform(0.0, 0.6))
        await end_process(process, signal.SIGKILL)
        process = await start_process(stage.home)
        await wait_until(lambda text=text: stage.replies(stage.vera)[-1:] == [f"re: {text} [2]"], timeout_s=20)  # type: ignore[misc]  # bound early
        await end_process(process, signal.SIGKILL)
    expected = [f"re: {text} [{part}]" for text in TEXTS for part in (1, 2)]
    assert stage.replies(stage.vera) == expected
    assert stage.replies(stage.stranger) == []
    process = await start_process(stage.home)
    await asyncio.sleep(1.5)  # a round of the reconciler
    assert await end_process(process) == 0
    assert stage.replies(stage.vera) == expected
    with stage.open_store() as store:
        assert store.messages.count(Origin.CLONE) == len(expected)
        assert store.messages.count(Origin.OWNER) == 0
        assert {decision.state for decision in store.replies.newest(limit=99)} == {ReplyState.SENT}


async def test_stopped_daemon_leaves_within_ten_seconds_and_goes_on_later(stage: DaemonStage) -> None:
    process = await start_process(stage.home, PACE="0.3")
    await stage.server.send(stage.vera, stage.owner, "hi")
    with stage.open_store() as store:
        await wait_until(store.replies.pending, timeout_s=10)
        assert await asyncio.wait_for(end_process(process), 10) == 0
        assert read_daemon_state(store).state == "stopped"
    process = await start_process(stage.home)
    assert await stage.heard(stage.vera, 2) == ["re: hi [1]", "re: hi [2]"]
    await end_process(process)


async def test_second_daemon_process_is_refused_and_names_the_first(stage: DaemonStage) -> None:
    process = await start_process(stage.home)
    try:
        with pytest.raises(AssertionError, match="ended with code 1"):
            await start_process(stage.home)
        with stage.open_store() as store:
            assert read_daemon_state(store).pid == process.pid != os.getpid()
    finally:
        await end_process(process)


async def test_revoked_session_stops_the_daemon_with_a_clear_state(stage: DaemonStage) -> None:
    process = await start_process(stage.home)
    stage.server.faults.revoke(stage.owner, disconnect=True)
    assert await asyncio.wait_for(process.wait(), 20) == ExitCode.NEEDS_LOGIN
    await end_process(process)
    with stage.open_store() as store:
        assert read_daemon_state(store).state == "session lost"
