"""The server itself: its calls, its faults, its own failures."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from random import Random

import pytest
from telethon import TelegramClient, errors
from telethon.sessions import MemorySession
from telethon.tl import functions, types

from userbot.loopback import LoopbackTelegram, User


@pytest.fixture
def owner(server: LoopbackTelegram) -> User:
    return server.add_user("Owner", phone="+1")


def make_client() -> TelegramClient:
    return TelegramClient(MemorySession(), 1, "hash", request_retries=1, raise_last_call_error=True)


async def test_calls_are_recorded_with_who_made_them(server: LoopbackTelegram, owner: User) -> None:
    client = make_client()
    await server.log_in(client, owner)
    await client.send_message("me", "a note")
    (call,) = server.calls_of("messages.sendMessage", owner)
    assert (call.user_id, call.request.message) == (owner.user_id, "a note")
    assert server.calls_of("messages.sendMessage", server.add_user("Zed")) == []
    assert server.calls_of("auth.signIn")[0].user_id is None
    await client.disconnect()


async def test_connected_sessions_are_counted_per_account(server: LoopbackTelegram, owner: User) -> None:
    client = make_client()
    assert server.connected(owner) == 0
    await server.log_in(client, owner)
    assert server.connected(owner) == 1
    await client.disconnect()
    await server.wait_for(lambda: not server.connected(owner))


async def test_port_stays_the_same_over_a_stop(server: LoopbackTelegram) -> None:
    before = server.endpoint
    await server.stop()
    await server.stop()
    with pytest.raises(OSError, match=r"refused|failed"):
        await asyncio.open_connection(before.host, before.port)
    await server.start()
    assert server.endpoint == before


async def test_clock_and_random_numbers_can_be_given() -> None:
    at = datetime(2026, 1, 5, 12, 0, tzinfo=UTC)
    hashes = []
    for _ in range(2):
        async with LoopbackTelegram(clock=lambda: at, random=Random(7)) as made:  # noqa: S311 # repeatable ids
            user = made.add_user("A")
            hashes.append(user.access_hash)
            assert (await made.send(user, user, "x")).date == at
    assert hashes[0] == hashes[1]


async def test_failing_handler_fails_the_test_that_met_it() -> None:
    with pytest.raises(ExceptionGroup, match="loopback Telegram itself failed"):
        async with LoopbackTelegram() as broken:
            user = broken.add_user("Owner", phone="+1")
            client = TelegramClient(MemorySession(), 1, "hash")
            await broken.log_in(client, user)
            del broken.world.users
            with pytest.raises(errors.ServerError):
                await client._sender.send(functions.users.GetUsersRequest([types.InputUserSelf()]))
            await client.disconnect()
