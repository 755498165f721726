"""A connection that breaks, falls silent or is refused, by real Telethon against the loopback server."""

from __future__ import annotations

import pytest
from telegram_stage import Stage, next_texts, wait_until

from userbot.domain.errors import OfflineError, SessionLostError
from userbot.telegram import client, connection
from userbot.telegram.connection import ConnectionState


async def test_a_deaf_connection_is_noticed_by_what_telegram_counts(stage: Stage) -> None:
    async with stage.account(watch_s=20.0) as account:
        stage.server.faults.miss_updates(stage.owner)
        await stage.server.send(stage.vera, stage.owner, "unheard")
        assert await next_texts(account, 1) == ["unheard"]


async def test_a_server_that_stops_answering_is_left_for_a_new_connection(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection, "ANSWER_TIMEOUT_S", 0.05)
    async with stage.account(watch_s=20.0) as account:
        stage.server.faults.delay("updates.getState", 30.0)
        await wait_until(lambda: stage.states.count(ConnectionState.CONNECTING) == 2)
        await stage.wait_state(account, ConnectionState.CONNECTED)


async def test_a_first_answer_that_never_comes_is_tried_again(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client, "CONNECT_TIMEOUT_S", 0.3)
    stage.server.faults.delay("help.getConfig", 30.0)
    async with stage.account():
        assert stage.naps[0] == 1.0


async def test_pauses_between_tries_grow(stage: Stage) -> None:
    await stage.server.stop()
    with pytest.raises(OfflineError):
        async with stage.account(attempts=5):
            pass
    assert stage.naps == [1.0, 2.0, 4.0, 8.0]
    assert stage.states[-1] == "disconnected"


async def test_a_session_that_was_ended_while_away_says_so(stage: Stage) -> None:
    async with stage.account():
        pass
    stage.server.faults.revoke(stage.owner, disconnect=True)
    with pytest.raises(SessionLostError) as caught:
        async with stage.account():
            pass
    assert str(caught.value) == "This session was ended from another device. Log in again: clone login"
    assert stage.states[-1] == "session lost"


async def test_a_key_that_telegram_forgot_is_a_lost_session(stage: Stage) -> None:
    async with stage.account(supervised=False) as account:
        stage.server.faults.forget_keys(stage.owner)
        with pytest.raises(SessionLostError) as caught:
            await account.run_until_lost()
    assert str(caught.value) == "Telegram does not accept this session (AuthKeyNotFound). Log in again: clone login"
