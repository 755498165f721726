"""The account as the daemon uses it: what starts the reconciler, and how a session ends."""

from __future__ import annotations

import asyncio

import pytest
from telegram_stage import Stage, next_event, next_texts, wait_until

from userbot.domain.errors import OfflineError, SessionLostError
from userbot.domain.events import Arrived
from userbot.domain.messages import Origin


async def test_a_flood_wait_does_not_lose_the_difference(stage: Stage) -> None:
    await stage.server.send(stage.vera, stage.owner, "while away")
    stage.server.faults.flood_wait("updates.getDifference", 2)
    async with stage.account() as account:
        assert await next_texts(account, 1) == ["while away"]
    assert 2 in stage.naps


async def test_a_difference_that_is_too_long_starts_the_reconciler(stage: Stage) -> None:
    stage.chat()
    await stage.server.send(stage.vera, stage.owner, "while away")
    stage.server.faults.difference_too_long(stage.owner)
    async with stage.account() as account:
        task = asyncio.create_task(account.keep_reconciled(stage.store, every_s=60))
        assert await next_texts(account, 1) == ["while away"]
        task.cancel()


async def test_each_connection_starts_the_reconciler(stage: Stage) -> None:
    stage.chat()
    async with stage.account() as account:
        task = asyncio.create_task(account.keep_reconciled(stage.store, every_s=60))
        await wait_until(lambda: stage.server.calls_of("messages.getPeerDialogs"))
        before = len(stage.server.calls_of("messages.getPeerDialogs"))
        stage.server.faults.disconnect(stage.owner)
        await wait_until(lambda: len(stage.server.calls_of("messages.getPeerDialogs")) > before)
        task.cancel()


async def test_an_echo_after_a_restart_is_the_clones_when_the_outbox_names_it(stage: Stage) -> None:
    chat = stage.chat()
    async with stage.account() as account:
        stage.server.faults.drop("messages.sendMessage", "after")
        with pytest.raises(OfflineError):
            await account.messenger.send(chat, "hello", random_id=5)
        await account._connection.close()
    async with stage.account(unconfirmed=[(chat.id, "hello")]) as account:
        assert (await next_event(account, Arrived)).message.origin is Origin.CLONE


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        ("revoke", "This session was ended from another device."),
        ("ban", "Telegram has banned this account."),
        ("duplicate_key", "This session was used from two places at once, and Telegram has ended it."),
    ],
)
async def test_a_lost_session_stops_everything(stage: Stage, fault: str, reason: str) -> None:
    chat = stage.chat()
    async with stage.account(supervised=False) as account:
        getattr(stage.server.faults, fault)(stage.owner)
        with pytest.raises(SessionLostError, match=reason):
            await account.messenger.send(chat, "hello", random_id=5)
        with pytest.raises(SessionLostError, match=reason):
            await account.run_until_lost()
        assert account.state == "session lost"
