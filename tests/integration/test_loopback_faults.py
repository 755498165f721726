"""Sends that are repeated, and every fault that the loopback Telegram can inject."""

from __future__ import annotations

import asyncio
import logging
import struct
import time
from collections.abc import AsyncIterator
from typing import Any

import pytest
from telethon import TelegramClient, errors, events
from telethon.crypto import AuthKey
from telethon.errors import AuthKeyNotFound
from telethon.network.mtprotostate import MTProtoState
from telethon.sessions import MemorySession
from telethon.tl import functions, types
from telethon.tl.core import RpcResult

from userbot.loopback import LoopbackTelegram, User
from userbot.loopback.mtproto.transport import IntermediateFraming


@pytest.fixture
def owner(server: LoopbackTelegram) -> User:
    return server.add_user("Owner", phone="+10000000001", username="owner")


@pytest.fixture
async def alice(server: LoopbackTelegram, owner: User) -> User:
    user = server.add_user("Alice", username="alice")
    await server.send(user, owner, "hi")
    return user


@pytest.fixture
async def client(server: LoopbackTelegram, owner: User, alice: User) -> AsyncIterator[TelegramClient]:
    new = TelegramClient(
        MemorySession(),
        1,
        "hash",
        request_retries=1,
        retry_delay=0,
        flood_sleep_threshold=0,
        raise_last_call_error=True,
    )
    await server.log_in(new, owner)
    await new.get_dialogs()
    yield new
    if new.is_connected():
        await new.disconnect()


# Telethon repeats calls after an error 500, 2 s later. Where that must not happen, its sender is used directly.


async def _send(client: TelegramClient, alice: User, text: str, random_id: int) -> Any:
    peer = await client.get_input_entity(alice.user_id)
    return await client(functions.messages.SendMessageRequest(peer, text, random_id=random_id))


def _texts(server: LoopbackTelegram, viewer: User, other: User) -> list[str]:
    return [message.text for message in server.conversation(viewer, other)]


async def test_repeated_send_returns_the_original_message(
    client: TelegramClient, server: LoopbackTelegram, owner: User, alice: User
) -> None:
    first = await _send(client, alice, "once", 42)
    assert isinstance(first, types.UpdateShortSentMessage)
    again = await _send(client, alice, "once, but changed", 42)
    identity, new = again.updates
    assert (identity.id, identity.random_id) == (first.id, 42)
    assert (new.message.id, new.message.message, new.pts_count) == (first.id, "once", 0)
    assert _texts(server, alice, owner) == ["hi", "once"]


async def test_repeated_send_can_be_made_to_fail_as_a_concurrent_one(
    client: TelegramClient, server: LoopbackTelegram, owner: User, alice: User
) -> None:
    await _send(client, alice, "once", 42)
    server.faults.duplicate_random_id()
    peer = await client.get_input_entity(alice.user_id)
    with pytest.raises(errors.RandomIdDuplicateError):
        await client._sender.send(functions.messages.SendMessageRequest(peer, "once", random_id=42))
    assert _texts(server, alice, owner) == ["hi", "once"]


async def test_flood_wait_affects_as_many_calls_as_requested(
    client: TelegramClient, server: LoopbackTelegram, alice: User
) -> None:
    server.faults.flood_wait("messages.sendMessage", 1, calls=1)
    with pytest.raises(errors.FloodWaitError) as caught:
        await _send(client, alice, "too much", 1)
    assert caught.value.seconds == 1
    await _send(client, alice, "fine again", 2)
    assert not server.faults.pending()


async def test_flood_wait_of_one_account_spares_the_others(
    client: TelegramClient, server: LoopbackTelegram, owner: User, alice: User
) -> None:
    server.faults.flood_wait("*", 30, user=alice)
    await _send(client, alice, "unharmed", 1)
    server.faults.clear()
    assert not server.faults.pending()


async def test_lost_request_is_sent_again_after_reconnecting(
    client: TelegramClient, server: LoopbackTelegram, owner: User, alice: User
) -> None:
    server.faults.drop("messages.sendMessage", "before")
    await _send(client, alice, "persistent", 1)
    assert _texts(server, alice, owner) == ["hi", "persistent"]


async def test_lost_answer_leads_to_one_message_only(
    client: TelegramClient, server: LoopbackTelegram, owner: User, alice: User
) -> None:
    server.faults.drop("messages.sendMessage", "after")
    result = await _send(client, alice, "persistent", 1)
    assert isinstance(result, types.Updates)  # the repeated request found its original
    assert len(server.calls_of("messages.sendMessage", owner)) == 2
    assert _texts(server, alice, owner) == ["hi", "persistent"]


async def test_server_error_fails_the_call_and_changes_nothing(
    client: TelegramClient, server: LoopbackTelegram, owner: User, alice: User
) -> None:
    server.faults.server_error("messages.sendMessage")
    peer = await client.get_input_entity(alice.user_id)
    with pytest.raises(errors.RpcCallFailError):
        await client._sender.send(functions.messages.SendMessageRequest(peer, "lost", random_id=1))
    assert _texts(server, alice, owner) == ["hi"]


async def test_peer_flood_refuses_to_send(client: TelegramClient, server: LoopbackTelegram, alice: User) -> None:
    server.faults.peer_flood()
    with pytest.raises(errors.PeerFloodError):
        await _send(client, alice, "spam", 1)


async def test_any_error_can_be_injected(client: TelegramClient, server: LoopbackTelegram) -> None:
    server.faults.error("account.initTakeoutSession", "TAKEOUT_INIT_DELAY_3600", code=420)
    with pytest.raises(errors.TakeoutInitDelayError) as caught:
        async with client.takeout():
            pass
    assert caught.value.seconds == 3600


async def test_delayed_answer_comes_late_and_holds_up_nothing(
    client: TelegramClient, server: LoopbackTelegram, owner: User, alice: User
) -> None:
    server.faults.delay("messages.sendMessage", 0.3)
    began = time.perf_counter()
    sending = asyncio.create_task(_send(client, alice, "slow", 1))
    await server.wait_for(lambda: _texts(server, alice, owner) == ["hi", "slow"])
    assert (await client.get_me()).id == owner.user_id
    assert not sending.done()
    await sending
    assert time.perf_counter() - began >= 0.3


async def test_revoked_session_is_unauthorised_until_the_next_login(
    client: TelegramClient, server: LoopbackTelegram, owner: User, alice: User
) -> None:
    server.faults.revoke(owner)
    with pytest.raises(errors.SessionRevokedError):
        await _send(client, alice, "too late", 1)
    server.faults.revoke(owner, error="AUTH_KEY_UNREGISTERED")
    with pytest.raises(errors.AuthKeyUnregisteredError):
        await client(functions.updates.GetStateRequest())
    await client.send_code_request(owner.phone)
    await client.sign_in(owner.phone, server.login_code)
    await _send(client, alice, "back", 1)


async def test_banned_account_is_told_so(client: TelegramClient, server: LoopbackTelegram, owner: User) -> None:
    server.faults.ban(owner)
    with pytest.raises(errors.UserDeactivatedBanError):
        await client(functions.updates.GetStateRequest())


async def test_duplicated_key_is_told_so_and_refuses_everything(
    client: TelegramClient, server: LoopbackTelegram, owner: User
) -> None:
    server.faults.duplicate_key(owner)
    with pytest.raises(errors.AuthKeyDuplicatedError):
        await client(functions.updates.GetStateRequest())
    with pytest.raises(errors.AuthKeyDuplicatedError):
        await client(functions.help.GetConfigRequest())


async def test_forgotten_key_ends_the_client(client: TelegramClient, server: LoopbackTelegram, owner: User) -> None:
    server.faults.forget_keys(owner)
    with pytest.raises(AuthKeyNotFound):
        async with asyncio.timeout(20):
            await client.disconnected


async def test_disconnected_client_comes_back_and_hears_again(
    client: TelegramClient, server: LoopbackTelegram, owner: User, alice: User
) -> None:
    heard = asyncio.Queue[str]()

    async def listen(event: Any) -> None:
        heard.put_nowait(event.raw_text)

    client.add_event_handler(listen, events.NewMessage)
    server.faults.disconnect(owner)
    await server.wait_for(lambda: not server.connected(owner))
    await server.wait_for(lambda: server.connected(owner))
    await server.send(alice, owner, "still there?")
    async with asyncio.timeout(20):
        assert await heard.get() == "still there?"


async def test_new_salt_is_learnt_on_the_way(
    client: TelegramClient, server: LoopbackTelegram, owner: User, alice: User
) -> None:
    server.faults.change_salts(owner)
    await _send(client, alice, "salted", 1)
    assert _texts(server, alice, owner) == ["hi", "salted"]


async def test_missed_update_is_found_by_the_gap_it_leaves(
    client: TelegramClient, server: LoopbackTelegram, owner: User, alice: User
) -> None:
    heard: list[str] = []

    async def listen(event: Any) -> None:
        heard.append(event.raw_text)
        server._changed()

    client.add_event_handler(listen, events.NewMessage)
    server.faults.miss_updates(owner)
    await server.send(alice, owner, "missed")
    await server.send(alice, owner, "noticed")
    await server.wait_for(lambda: len(heard) == 2)
    assert sorted(heard) == ["missed", "noticed"]


async def test_too_long_difference_moves_the_state_and_brings_nothing(
    client: TelegramClient, server: LoopbackTelegram, owner: User, alice: User
) -> None:
    server.faults.miss_updates(owner)
    state = await client(functions.updates.GetStateRequest())
    await server.send(alice, owner, "lost in the gap")
    server.faults.difference_too_long(owner)
    ask = functions.updates.GetDifferenceRequest(state.pts, state.date, state.qts)
    too_long = await client(ask)
    assert isinstance(too_long, types.updates.DifferenceTooLong)
    assert too_long.pts == owner.box.pts
    assert [message.message for message in (await client(ask)).new_messages] == ["lost in the gap"]


async def test_finished_takeout_is_invalid(client: TelegramClient, server: LoopbackTelegram) -> None:
    wrapped = functions.InvokeWithTakeoutRequest(7, functions.updates.GetStateRequest())
    with pytest.raises(errors.TakeoutInvalidError):
        await client(wrapped)


async def test_client_without_updates_hears_nothing(server: LoopbackTelegram, owner: User, alice: User) -> None:
    quiet = TelegramClient(MemorySession(), 1, "hash", receive_updates=False)
    await server.log_in(quiet, owner)
    assert not server.connected(owner)
    await quiet.disconnect()


class _RawClient:
    """A client in one session of a key, which chooses its own message ids and can come back to the session."""

    def __init__(self, server: LoopbackTelegram, key: AuthKey) -> None:
        self._server = server
        self.state = MTProtoState(key, loggers=_NoLoggers())
        self._framing = IntermediateFraming()

    async def __aenter__(self) -> _RawClient:
        endpoint = self._server.endpoint
        self._reader, self._writer = await asyncio.open_connection(endpoint.host, endpoint.port)
        self._writer.write(b"\xee\xee\xee\xee")
        return self

    async def __aexit__(self, *_: object) -> None:
        self._writer.close()
        await self._writer.wait_closed()

    def send(self, request: Any, *, message_id: int | None = None) -> int:
        number = message_id or self.state._get_new_msg_id()
        body = bytes(request)
        plain = struct.pack("<qii", number, 1, len(body)) + body
        self._writer.write(self._framing.frame(self.state.encrypt_message_data(plain)))
        return number

    async def until(self, kind: type) -> Any:
        """Return the next received object of a class, looking into containers."""
        async with asyncio.timeout(20):
            while True:
                message = self.state.decrypt_message_data(await self._framing.read(self._reader))
                for item in getattr(message.obj, "messages", [message]):
                    if isinstance(item.obj, kind):
                        return item


class _NoLoggers(dict[str, Any]):
    def __missing__(self, name: str) -> Any:
        return logging.getLogger(name)


async def test_answer_that_was_lost_waits_for_the_same_session(
    client: TelegramClient, server: LoopbackTelegram, owner: User
) -> None:
    raw = _RawClient(server, client.session.auth_key)
    raw.state.salt = next(iter(server.authorizations.values())).salt
    calls_before = len(server.calls_of("updates.getState", owner))
    async with raw:
        raw.send(functions.PingRequest(5))
        assert (await raw.until(types.Pong)).obj.ping_id == 5
        server.faults.drop("updates.getState", "after")
        asked = raw.send(functions.updates.GetStateRequest())
        with pytest.raises(asyncio.IncompleteReadError):
            await raw.until(RpcResult)
    async with raw:
        raw.send(functions.PingRequest(6))
        result = await raw.until(RpcResult)
        assert result.obj.req_msg_id == asked
        raw.send(functions.updates.GetStateRequest(), message_id=asked)
        assert (await raw.until(RpcResult)).obj.req_msg_id == asked
    assert len(server.calls_of("updates.getState", owner)) == calls_before + 1


@pytest.mark.parametrize(("shift_s", "code"), [(-1000, 16), (1000, 17)])
async def test_message_ids_far_from_now_are_refused(
    client: TelegramClient, server: LoopbackTelegram, shift_s: int, code: int
) -> None:
    raw = _RawClient(server, client.session.auth_key)
    async with raw:
        number = raw.send(functions.PingRequest(1), message_id=int(time.time() + shift_s) << 32)
        complaint = (await raw.until(types.BadMsgNotification)).obj
    assert (complaint.bad_msg_id, complaint.error_code) == (number, code)
