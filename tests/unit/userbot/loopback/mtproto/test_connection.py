"""One connection, fed with packets of Telethon's own making."""

from __future__ import annotations

import asyncio
import struct
import time
from typing import Any, cast

import pytest
from loopback_bench import Bench, Device
from telethon.tl import functions, types
from telethon.tl.core import RpcResult

from userbot.loopback.mtproto.connection import Connection
from userbot.loopback.mtproto.handshake import Handshake
from userbot.loopback.mtproto.session import Session
from userbot.loopback.mtproto.transport import IntermediateFraming


class FakeWriter:
    """Keeps what is written, as packets."""

    def __init__(self) -> None:
        self.packets: list[bytes] = []
        self.is_closed = False

    def write(self, framed: bytes) -> None:
        self.packets.append(framed[4:])

    def close(self) -> None:
        self.is_closed = True

    async def wait_closed(self) -> None:
        pass


class FakeHost:
    """Answers each API request with true, and keeps the requests."""

    def __init__(self, bench: Bench) -> None:
        self.authorizations = bench.authorizations
        self.message_clock = bench.message_clock
        self.requests: list[Any] = []

    def new_handshake(self) -> Handshake:
        raise AssertionError("no key is exchanged here")

    def execute(self, connection: Connection, session: Session, message_id: int, request: Any) -> None:
        self.requests.append(request)
        session.answer(message_id, True)


class Wire:
    """A connection with a client's packets on one end and its host on the other."""

    def __init__(self, bench: Bench) -> None:
        self.host, self.writer = FakeHost(bench), FakeWriter()
        self.client = Device(bench, bench.owner)
        self.client.state.salt = self.client.authorization.salt
        self.client.session.detach(self.client.take)
        self.reader = asyncio.StreamReader()
        self.reader.feed_data(b"\xee" * 4)
        self.connection = Connection(self.host, self.reader, cast(asyncio.StreamWriter, self.writer))

    def feed(self, *requests: Any, message_id: int | None = None) -> None:
        for request in requests:
            number = message_id or self.client.state._get_new_msg_id()
            body = bytes(request)
            self.feed_packet(self.client.state.encrypt_message_data(struct.pack("<qii", number, 1, len(body)) + body))

    def feed_packet(self, packet: bytes) -> None:
        self.reader.feed_data(IntermediateFraming().frame(packet))

    async def serve(self) -> list[Any]:
        """Serve until the client leaves; return what it got."""
        self.reader.feed_eof()
        await self.connection.serve()
        for packet in self.writer.packets:
            self.client.take(packet)
        return [message.obj for message in self.client.messages]

    def find(self, objects: list[Any], kind: type) -> Any:
        (match,) = [item for item in objects if isinstance(item, kind)]
        return match


@pytest.fixture
async def wire(bench: Bench) -> Wire:
    return Wire(bench)


async def test_api_request_is_carried_out_and_answered(wire: Wire) -> None:
    wire.feed(functions.help.GetConfigRequest())
    objects = await wire.serve()
    assert [type(request) for request in wire.host.requests] == [functions.help.GetConfigRequest]
    assert wire.find(objects, RpcResult).req_msg_id
    assert wire.writer.is_closed
    assert not wire.client.session.connected


async def test_service_messages_concern_the_protocol_only(wire: Wire) -> None:
    wire.feed(functions.PingRequest(5), functions.GetFutureSaltsRequest(1), functions.DestroySessionRequest(99))
    objects = await wire.serve()
    assert wire.host.requests == []
    assert wire.find(objects, types.Pong).ping_id == 5
    assert wire.find(objects, types.DestroySessionNone).session_id == 99


async def test_new_session_is_announced_once(wire: Wire) -> None:
    wire.client.authorization.sessions.clear()
    wire.feed(functions.PingRequest(1), functions.PingRequest(2))
    assert sum(isinstance(item, types.NewSessionCreated) for item in await wire.serve()) == 1


@pytest.mark.parametrize(
    ("shift_s", "extra", "code"), [(-1000, 0, 16), (1000, 0, 17), (0, 2, 18)], ids=["old", "new", "odd"]
)
async def test_message_id_that_can_not_be_is_refused(wire: Wire, shift_s: int, extra: int, code: int) -> None:
    wire.feed(functions.help.GetConfigRequest(), message_id=(int(time.time() + shift_s) << 32) + extra)
    objects = await wire.serve()
    assert wire.find(objects, types.BadMsgNotification).error_code == code
    assert wire.host.requests == []


async def test_wrong_salt_is_corrected(wire: Wire) -> None:
    wire.client.state.salt = 999
    wire.feed(functions.help.GetConfigRequest())
    complaint = wire.find(await wire.serve(), types.BadServerSalt)
    assert complaint.new_server_salt == wire.client.authorization.salt


async def test_unknown_key_gets_the_transport_error_404(wire: Wire) -> None:
    wire.feed_packet(b"\x01" * 8 + bytes(40))
    wire.reader.feed_eof()
    await wire.connection.serve()
    assert wire.writer.packets == [struct.pack("<i", -404)]


async def test_damaged_packet_ends_the_connection(wire: Wire) -> None:
    wire.feed_packet(wire.client.authorization.key.key_id + bytes(48))
    wire.feed(functions.help.GetConfigRequest())
    assert await wire.serve() == []
    assert wire.host.requests == []
    assert wire.connection.closed


async def test_request_of_an_unknown_kind_is_refused_by_its_number(wire: Wire) -> None:
    wire.feed(types.JsonNull())
    wire.host.requests.clear()

    class Unknown:
        def __bytes__(self) -> bytes:
            return struct.pack("<I", 0x12345678)

    wire.feed(Unknown())
    objects = await wire.serve()
    errors = [item.error for item in objects if isinstance(item, RpcResult) and item.error]
    assert [error.error_message for error in errors] == ["INPUT_CONSTRUCTOR_INVALID_12345678"]


async def test_connection_knows_whose_it_is_until_it_closes(wire: Wire, bench: Bench) -> None:
    wire.connection._session(wire.client.authorization, 7)
    assert wire.connection.serves(bench.owner.user_id)
    assert not wire.connection.serves(bench.vera.user_id)
    wire.connection.close()
    assert not wire.connection.serves(bench.owner.user_id)
