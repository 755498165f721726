"""Logging in to the loopback Telegram with an unmodified Telethon client."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from telethon import TelegramClient, errors
from telethon.network import ConnectionTcpAbridged, ConnectionTcpFull, ConnectionTcpIntermediate
from telethon.sessions import MemorySession, SQLiteSession
from telethon.tl import functions, types

from userbot.loopback import LoopbackTelegram, User

PHONE = "+10000000001"


@pytest.fixture
async def client(server: LoopbackTelegram) -> AsyncIterator[TelegramClient]:
    new = TelegramClient(MemorySession(), 1, "hash", request_retries=1)
    server.endpoint.apply(new.session)
    await new.connect()
    yield new
    await new.disconnect()


@pytest.fixture
def owner(server: LoopbackTelegram) -> User:
    return server.add_user("Owner", last_name="Of Account", phone=PHONE, username="owner")


async def test_right_code_logs_in_and_shows_the_own_account(client: TelegramClient, owner: User) -> None:
    assert not await client.is_user_authorized()
    await client.send_code_request(PHONE)
    me = await client.sign_in(PHONE, "12345")
    assert (me.id, me.first_name, me.last_name, me.phone, me.username) == (
        owner.user_id,
        "Owner",
        "Of Account",
        PHONE,
        "owner",
    )
    assert me.is_self
    assert (await client.get_me()).id == owner.user_id


async def test_wrong_code_is_refused_and_the_right_one_still_works(
    client: TelegramClient, server: LoopbackTelegram, owner: User
) -> None:
    server.login_code = "54321"
    await client.send_code_request(PHONE)
    with pytest.raises(errors.PhoneCodeInvalidError):
        await client.sign_in(PHONE, "12345")
    assert (await client.sign_in(PHONE, "54321")).id == owner.user_id


async def test_code_of_another_login_has_expired(client: TelegramClient, owner: User) -> None:
    with pytest.raises(errors.PhoneCodeExpiredError):
        await client.sign_in(PHONE, "12345", phone_code_hash="0" * 16)


async def test_phone_without_an_account_is_unoccupied(client: TelegramClient) -> None:
    await client.send_code_request("+19999999999")
    with pytest.raises(errors.PhoneNumberUnoccupiedError):
        await client.sign_in("+19999999999", "12345")


async def test_nonsense_phone_is_invalid(client: TelegramClient) -> None:
    with pytest.raises(errors.PhoneNumberInvalidError):
        await client(functions.auth.SendCodeRequest("abc", 1, "hash", settings=types.CodeSettings()))


async def test_second_factor_refuses_a_wrong_password_and_takes_the_right_one(
    client: TelegramClient, server: LoopbackTelegram
) -> None:
    user = server.add_user("Careful", phone=PHONE, password="correct horse")
    await client.send_code_request(PHONE)
    with pytest.raises(errors.SessionPasswordNeededError):
        await client.sign_in(PHONE, server.login_code)
    with pytest.raises(errors.PasswordHashInvalidError):
        await client.sign_in(password="wrong horse")
    assert not await client.is_user_authorized()
    assert (await client.sign_in(password="correct horse")).id == user.user_id


async def test_log_in_gives_a_client_code_and_password(client: TelegramClient, server: LoopbackTelegram) -> None:
    user = server.add_user("Careful", phone=PHONE, password="correct horse")
    await server.log_in(client, user)
    assert (await client.get_me()).id == user.user_id


async def test_scanned_qr_code_logs_in(client: TelegramClient, server: LoopbackTelegram, owner: User) -> None:
    login = await client.qr_login()
    waiting = asyncio.create_task(login.wait(timeout=10))
    await asyncio.sleep(0)
    await server.accept_login(login.url, owner)
    assert (await waiting).id == owner.user_id


async def test_qr_code_is_good_for_one_login_only(
    client: TelegramClient, server: LoopbackTelegram, owner: User
) -> None:
    login = await client.qr_login()
    await server.accept_login(login.url, owner)
    with pytest.raises(ValueError) as caught:
        await server.accept_login(login.url, owner)
    assert str(caught.value) == "No login waits for this QR code: take the address from a fresh qr_login()."


async def test_qr_login_of_an_account_with_password_asks_for_it(
    client: TelegramClient, server: LoopbackTelegram
) -> None:
    user = server.add_user("Careful", phone=PHONE, password="correct horse")
    login = await client.qr_login()
    waiting = asyncio.create_task(login.wait(timeout=10))
    await asyncio.sleep(0)
    await server.accept_login(login.url, user)
    with pytest.raises(errors.SessionPasswordNeededError):
        await waiting
    assert (await client.sign_in(password="correct horse")).id == user.user_id


async def test_client_that_is_logged_in_can_accept_a_qr_code(
    client: TelegramClient, server: LoopbackTelegram, owner: User
) -> None:
    await server.log_in(client, owner)
    second = TelegramClient(MemorySession(), 1, "hash")
    server.endpoint.apply(second.session)
    await second.connect()
    login = await second.qr_login()
    waiting = asyncio.create_task(login.wait(timeout=10))
    await asyncio.sleep(0)
    await client(functions.auth.AcceptLoginTokenRequest(login.token))
    assert (await waiting).id == owner.user_id
    await second.disconnect()


async def test_after_log_out_the_session_is_unauthorised(
    client: TelegramClient, server: LoopbackTelegram, owner: User
) -> None:
    await server.log_in(client, owner)
    assert await client.log_out()
    assert [key.user_id for key in server.authorizations.values()] == [None]


async def test_session_file_keeps_the_login_and_the_address(
    server: LoopbackTelegram, owner: User, tmp_path: Path
) -> None:
    path = str(tmp_path / "owner")
    first = TelegramClient(SQLiteSession(path), 1, "hash")
    await server.log_in(first, owner)
    await first.disconnect()
    second = TelegramClient(SQLiteSession(path), 1, "hash")
    await second.connect()
    assert (await second.get_me()).id == owner.user_id
    await second.disconnect()
    assert len(server.authorizations) == 1


@pytest.mark.parametrize("connection", [ConnectionTcpFull, ConnectionTcpAbridged, ConnectionTcpIntermediate])
async def test_every_framing_carries_small_and_large_packets(
    server: LoopbackTelegram, owner: User, connection: type
) -> None:
    client = TelegramClient(MemorySession(), 1, "hash", connection=connection)
    await server.log_in(client, owner)
    text = "".join(chr(0x400 + number % 500) for number in range(4000))
    await client.send_message("me", text)
    assert [message.raw_text async for message in client.iter_messages("me")] == [text]
    await client.disconnect()


async def test_configuration_leads_back_to_the_server(client: TelegramClient, server: LoopbackTelegram) -> None:
    config = await client(functions.help.GetConfigRequest())
    assert [(option.id, option.ip_address, option.port) for option in config.dc_options] == [
        (server.endpoint.dc_id, server.endpoint.host, server.endpoint.port)
    ]


async def test_request_that_the_server_does_not_know_gets_an_error(client: TelegramClient) -> None:
    with pytest.raises(errors.RPCError, match="INPUT_METHOD_INVALID"):
        await client(functions.help.GetInviteTextRequest())


async def test_client_that_speaks_another_protocol_is_turned_away(server: LoopbackTelegram) -> None:
    for junk in (
        b"GET / HTTP/1.1\r\n\r\n",
        b"\xef\x01abcd",
        b"\xee\xee\xee\xee\x04\x00\x00\x00abcd",
        b"\xef\x7f\xff\xff\xff",
    ):
        reader, writer = await asyncio.open_connection(server.endpoint.host, server.endpoint.port)
        writer.write(junk)
        writer.write_eof()
        async with asyncio.timeout(20):
            assert len(await reader.read()) <= 8  # at most the transport error 404
        writer.close()
        await writer.wait_closed()
