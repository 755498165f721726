"""A contact asks for no bot on a loopback Telegram; limits hold there for drafts."""

from __future__ import annotations

from pathlib import Path

import pytest
from daemon_stage import DaemonStage
from fakes_reply import ScriptedGenerator
from telegram_stage import wait_until

from userbot.domain.messages import Mode
from userbot.loopback import LoopbackTelegram
from userbot.store.decisions import ReplyState


@pytest.fixture
async def stage(server: LoopbackTelegram, tmp_path: Path) -> DaemonStage:
    return await DaemonStage.set_up(server, tmp_path / "home", per_chat_per_hour=2)


@pytest.mark.parametrize("away", [False, True])
async def test_wish_in_a_private_chat_ends_the_answers_with_one_sentence(stage: DaemonStage, away: bool) -> None:
    generator = ScriptedGenerator("hey")
    wish = "поговори со мной сам, а не бот"
    if away:
        async with stage.daemon(generator):
            pass
        await stage.server.send(stage.vera, stage.owner, wish)
    async with stage.daemon(generator):
        if not away:
            await stage.server.send(stage.vera, stage.owner, wish)
        [confirmed] = await stage.heard(stage.vera, 1, timeout_s=20)
        await stage.server.send(stage.vera, stage.owner, "и?")
        with stage.open_store() as store:
            await wait_until(lambda: store.chats.get(stage.vera.user_id).mode is Mode.OFF)  # type: ignore[union-attr]  # it is stored
    assert confirmed == stage.settings.trust.opt_out_confirmation
    assert stage.replies(stage.vera) == [confirmed]
    assert generator.prompts == []
    saved = [message.text for message in stage.server.conversation(stage.owner, stage.owner)]
    assert any("asked for no bot" in text and str(stage.vera.user_id) in text for text in saved)
    assert not any(wish in text for text in saved)


async def test_drafts_are_limited_like_answers(stage: DaemonStage) -> None:
    stage.allow(stage.vera, Mode.DRAFT)
    generator = ScriptedGenerator("one", "two", "three")
    async with stage.daemon(generator):
        with stage.open_store() as store:
            for number, state in enumerate((ReplyState.DRAFTED, ReplyState.DRAFTED, ReplyState.HELD), start=1):
                await stage.server.send(stage.vera, stage.owner, f"hi {number}")
                await wait_until(
                    lambda state=state, number=number: (
                        ([d.state for d in store.replies.newest(limit=9)] + [None] * 3)[0] is state
                        and len(store.replies.newest(limit=9)) == number
                    ),  # type: ignore[misc]  # bound at once
                    timeout_s=20,
                )
            assert store.replies.newest()[0].reason == "2 replies to this chat within an hour"
    assert len(generator.prompts) == 2
