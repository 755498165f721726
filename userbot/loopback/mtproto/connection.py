"""One TCP connection: packets in, packets out, and the service messages of MTProto.

Source: core.telegram.org/mtproto/description and core.telegram.org/mtproto/service_messages.
"""

from __future__ import annotations

import asyncio
import gzip
import logging
import struct
import time
from collections.abc import Iterator
from contextlib import suppress
from typing import Any, Protocol

from telethon.errors import TypeNotFoundError
from telethon.extensions import BinaryReader
from telethon.tl import functions, types

from userbot.loopback.mtproto.handshake import Handshake
from userbot.loopback.mtproto.session import CONTAINER_ID, GZIP_PACKED_ID, Authorization, MessageClock, Session
from userbot.loopback.mtproto.transport import Framing, recognise

_log = logging.getLogger(__name__)
_KEY_UNKNOWN = struct.pack("<i", -404)
_ID_TOO_LOW, _ID_TOO_HIGH, _ID_NOT_DIVISIBLE, _WRONG_SALT = 16, 17, 18, 48
_OLDEST_S, _NEWEST_S = 300, 30
_SESSIONS_KEPT = 4
_ENDINGS = (OSError, EOFError, BufferError, UnicodeError, struct.error, TypeNotFoundError)


class Host(Protocol):
    """What a connection needs from its server.

    Attributes:
        authorizations: All authorization keys, by key id.
        message_clock: Gives out message ids.
    """

    authorizations: dict[bytes, Authorization]
    message_clock: MessageClock

    def new_handshake(self) -> Handshake:
        """Start a key exchange."""

    def execute(self, connection: Connection, session: Session, message_id: int, request: Any) -> None:
        """Carry out one API request and queue its answer on the session.

        Args:
            connection: Where the request came from.
            session: The client's session.
            message_id: The request's id, which the answer names.
            request: The TL request, with its wrappers.
        """


class Connection:
    """Serve one client until either side closes.

    Args:
        host: The server.
        reader: What the client sends.
        writer: What goes to the client.
    """

    def __init__(self, host: Host, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._host = host
        self._reader = reader
        self._writer = writer
        self._framing: Framing | None = None
        self._handshake: Handshake | None = None
        self._sessions: set[Session] = set()
        self._deadline: asyncio.TimerHandle | None = None
        self.closed = False

    async def serve(self) -> None:
        """Read packets until either side or a damaged packet ends the connection."""
        try:
            self._framing = await recognise(self._reader)
            while not self.closed:
                self._receive(await self._framing.read(self._reader))
        except _ENDINGS as exc:  # the client left, or sent what no client sends
            _log.info("A client's connection ended: %s: %s", type(exc).__name__, exc)
        finally:
            self.close()
            with suppress(OSError):
                await self._writer.wait_closed()

    def close(self) -> None:
        """Close the connection; its sessions stay."""
        self.closed = True
        if self._deadline is not None:
            self._deadline.cancel()
        for session in self._sessions:
            session.detach(self.write)
        self._sessions.clear()
        self._writer.close()

    def serves(self, user_id: int) -> bool:
        """Return whether a session of this account uses the connection."""
        return any(session.authorization.user_id == user_id for session in self._sessions)

    def write(self, packet: bytes) -> None:
        """Send one packet, unless the connection is gone."""
        if not self.closed and self._framing is not None:
            self._writer.write(self._framing.frame(packet))

    def _receive(self, packet: bytes) -> None:
        key_id = packet[:8]
        if key_id == bytes(8):
            self._receive_plain(packet)
        elif key_id in self._host.authorizations:
            self._receive_sealed(self._host.authorizations[key_id], packet)
        else:
            self.write(_KEY_UNKNOWN)

    def _receive_plain(self, packet: bytes) -> None:
        request = BinaryReader(packet[20:]).tgread_object()
        if self._handshake is None or isinstance(request, functions.ReqPqMultiRequest | functions.ReqPqRequest):
            self._handshake = self._host.new_handshake()
        body = bytes(self._handshake.answer(request))
        if self._handshake.key is not None:
            key = self._handshake.key
            self._host.authorizations[key.key_id] = Authorization(key, self._handshake.salt)
            self._handshake = None
        message_id = self._host.message_clock.next_id(answer=True)
        self.write(struct.pack("<qqi", 0, message_id, len(body)) + body)

    def _receive_sealed(self, authorization: Authorization, packet: bytes) -> None:
        plain = authorization.key.open(packet)
        salt, session_id, message_id, seqno, length = struct.unpack("<qqqii", plain[:32])
        session = self._session(authorization, session_id)
        complaint = _complaint(authorization, salt=salt, message_id=message_id, seqno=seqno)
        if complaint is not None:
            session.post(complaint)
        else:
            if session_id not in authorization.sessions:
                self._open(session, message_id)
            for number, sequence, body in _messages(message_id, seqno, plain[32 : 32 + length]):
                self._process(session, number, sequence, body)
                if self.closed:
                    return
        session.flush()

    def _session(self, authorization: Authorization, session_id: int) -> Session:
        known = authorization.sessions.get(session_id)
        session = known or Session(session_id, authorization, clock=self._host.message_clock)
        session.attach(self.write)
        self._sessions.add(session)
        return session

    def _open(self, session: Session, message_id: int) -> None:
        sessions = session.authorization.sessions
        sessions[session.session_id] = session
        for old in [item for item in sessions.values() if not item.connected][:-_SESSIONS_KEPT]:
            del sessions[old.session_id]
        session.post(types.NewSessionCreated(message_id, session.session_id, session.authorization.salt))

    def _process(self, session: Session, message_id: int, seqno: int, body: bytes) -> None:
        try:
            request = _read(body)
        except TypeNotFoundError as exc:
            text = f"INPUT_CONSTRUCTOR_INVALID_{exc.invalid_constructor_id:08x}"
            session.answer(message_id, types.RpcError(400, text))
            return
        if seqno & 1:
            session.post(types.MsgsAck([message_id]))
        if self._serve_service_message(session, message_id, request):
            return
        if session.begin(message_id):
            self._host.execute(self, session, message_id, request)

    def _serve_service_message(self, session: Session, message_id: int, request: Any) -> bool:
        """Handle what concerns the protocol itself; return False for API requests."""
        match request:
            case types.MsgsAck():
                session.acknowledge(request.msg_ids)
            case functions.PingRequest():
                session.post(types.Pong(message_id, request.ping_id))
            case functions.PingDelayDisconnectRequest():
                self._close_in(request.disconnect_delay)
                session.post(types.Pong(message_id, request.ping_id))
            case functions.GetFutureSaltsRequest():
                now = int(time.time())
                salts = [types.FutureSalt(now, now + 3600, session.authorization.salt)]
                session.post(types.FutureSalts(message_id, now, salts))
            case functions.DestroySessionRequest():
                gone = session.authorization.sessions.pop(request.session_id, None)
                kind = types.DestroySessionOk if gone else types.DestroySessionNone
                session.post(kind(request.session_id))
            case functions.RpcDropAnswerRequest():
                session.answer(message_id, types.RpcAnswerUnknown())
            case types.MsgsStateReq():
                info = "".join(chr(4 if number in session.answers else 1) for number in request.msg_ids)
                session.post(types.MsgsStateInfo(message_id, info))
            case types.MsgsStateInfo() | types.MsgsAllInfo() | types.HttpWait():
                pass
            case _:
                return False
        return True

    def _close_in(self, delay_s: float) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
        self._deadline = asyncio.get_running_loop().call_later(delay_s, self.close)


def _complaint(authorization: Authorization, *, salt: int, message_id: int, seqno: int) -> Any | None:
    """Return what is wrong with a packet's numbers, if anything; the client then corrects itself and sends it again."""
    age_s = time.time() - (message_id >> 32)
    code = 0
    if message_id % 4:
        code = _ID_NOT_DIVISIBLE
    elif age_s > _OLDEST_S:
        code = _ID_TOO_LOW
    elif age_s < -_NEWEST_S:
        code = _ID_TOO_HIGH
    if code:
        return types.BadMsgNotification(message_id, seqno, code)
    if salt != authorization.salt:
        return types.BadServerSalt(message_id, seqno, _WRONG_SALT, authorization.salt)
    return None


def _messages(message_id: int, seqno: int, body: bytes) -> Iterator[tuple[int, int, bytes]]:
    """Yield id, sequence number and body of a message, or of each one in a container."""
    if int.from_bytes(body[:4], "little") != CONTAINER_ID:
        yield message_id, seqno, body
        return
    position = 8
    for _ in range(int.from_bytes(body[4:8], "little")):
        number, sequence, length = struct.unpack_from("<qii", body, position)
        yield number, sequence, body[position + 16 : position + 16 + length]
        position += 16 + length


def _read(body: bytes) -> Any:
    reader = BinaryReader(body)
    if int.from_bytes(body[:4], "little") == GZIP_PACKED_ID:
        reader.read(4)
        reader = BinaryReader(gzip.decompress(reader.tgread_bytes()))
    return reader.tgread_object()
