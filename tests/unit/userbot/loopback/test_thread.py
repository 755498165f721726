"""A server beside synchronous code."""

from __future__ import annotations

import asyncio

import pytest
from telethon import TelegramClient
from telethon.sessions import MemorySession

from userbot.loopback import LoopbackEndpoint, LoopbackTelegram, LoopbackThread

PHONE = "+10000000001"


def test_server_in_a_thread_serves_a_program_with_its_own_loop() -> None:
    async def program(endpoint: LoopbackEndpoint) -> None:
        client = TelegramClient(MemorySession(), 1, "hash")
        endpoint.apply(client.session)
        await client.start(phone=PHONE, code_callback=lambda: "12345")
        await client.send_message("me", "note")
        await client.disconnect()

    with LoopbackThread() as thread:
        owner = thread.look(lambda: thread.server.add_user("Owner", phone=PHONE))
        asyncio.run(program(thread.server.endpoint))
        assert [message.text for message in thread.look(lambda: thread.server.conversation(owner, owner))] == ["note"]


def test_server_that_cannot_start_in_its_thread_says_why() -> None:
    with LoopbackThread() as first:
        port = first.server.endpoint.port
        with pytest.raises(OSError, match="in use"), LoopbackThread(lambda: LoopbackTelegram(port=port)):
            pass


def test_question_that_fails_raises_where_it_is_asked() -> None:
    with LoopbackThread() as thread, pytest.raises(ZeroDivisionError):
        thread.look(lambda: 1 // 0)
