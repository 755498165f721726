"""The loopback Telegram itself: the listening server, with everything it consists of."""

from __future__ import annotations

import asyncio
import functools
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from random import Random
from types import TracebackType
from typing import Any, Self

from telethon.errors import RPCError, SessionPasswordNeededError
from telethon.tl import types

from userbot.loopback.endpoint import LoopbackEndpoint
from userbot.loopback.faults import Fault, Faults, method_of
from userbot.loopback.handlers import Call, Services, respond, unwrap
from userbot.loopback.handlers.auth import announce_token
from userbot.loopback.mtproto.connection import Connection
from userbot.loopback.mtproto.crypto import ServerKey
from userbot.loopback.mtproto.handshake import Handshake
from userbot.loopback.mtproto.session import Authorization, MessageClock, Session
from userbot.loopback.stage import Stage
from userbot.loopback.world.actions import Actions
from userbot.loopback.world.delivery import Delivery
from userbot.loopback.world.logins import Logins
from userbot.loopback.world.state import User, World

HOST = "127.0.0.1"
DC_ID = 2
_CALLS_KEPT = 10_000


@dataclass(frozen=True, slots=True)
class CallRecord:
    """One request that a client has made.

    Args:
        method: Telegram's name of the method.
        user_id: Who was logged in; None for nobody.
        request: The TL request, without its wrappers.
    """

    method: str
    user_id: int | None
    request: Any


class LoopbackTelegram(Stage):
    """A Telegram server on 127.0.0.1 that unmodified Telethon clients connect to; use it with `async with`.

    Its state lives as long as the object: clients may connect and leave, and the server itself may stop and start.

    Args:
        clock: Returns the aware time that messages carry. The protocol itself runs on the wall clock, which clients
            check.
        random: Source of ids and hashes; a fixed seed gives the same ids each time.
        server_key: The RSA key; when omitted, one per process, which its servers share.
        port: Port to listen on, 0 for a free one.
    """

    def __init__(
        self,
        *,
        clock: Callable[[], datetime] | None = None,
        random: Random | None = None,
        server_key: ServerKey | None = None,
        port: int = 0,
    ) -> None:
        self._random = random or Random(0)  # noqa: S311 # ids of a test server, not secrets
        self.authorizations: dict[bytes, Authorization] = {}
        self.message_clock = MessageClock()
        self.calls: deque[CallRecord] = deque(maxlen=_CALLS_KEPT)
        self._server_key = server_key or _process_key()
        self._port = port
        self._server: asyncio.Server | None = None
        self._crashes: list[Exception] = []
        self._connections: dict[Connection, asyncio.Task[None]] = {}
        world = World(clock or _utc_now, self._random)
        self._delivery = Delivery(world, self.authorizations, changed=self._changed)
        super().__init__(world, Actions(world, self._delivery), logins=Logins(world))
        self.faults = Faults(world, self.authorizations, disconnect=self._disconnect)

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.stop()
        if self._crashes and kind is None:
            raise ExceptionGroup("The loopback Telegram itself failed; its clients saw error 500.", self._crashes)

    async def log_in(self, client: Any, user: User) -> None:
        """Connect a Telethon client and log it in as an account, which needs a phone number."""
        self.endpoint.apply(client.session)
        await client.connect()
        if not await client.is_user_authorized():
            sent = await client.send_code_request(user.phone)
            try:
                await client.sign_in(user.phone, self.login_code, phone_code_hash=sent.phone_code_hash)
            except SessionPasswordNeededError:
                await client.sign_in(password=user.password)

    async def start(self) -> None:
        """Listen; after a stop, on the same port as before."""
        self._server = await asyncio.start_server(self._serve, HOST, self._port)
        self._port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        """Close all connections and stop listening; the state stays."""
        if self._server is None:
            return
        self._server.close()
        tasks = list(self._connections.values())
        for connection in list(self._connections):
            connection.close()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self._server.wait_closed()
        self._server = None

    @property
    def endpoint(self) -> LoopbackEndpoint:
        """Where clients find this server."""
        return LoopbackEndpoint(HOST, self._port, DC_ID, self._server_key.public_pem)

    def connected(self, user: User) -> int:
        """Return how many sessions of an account are connected and get updates."""
        sessions = [
            session
            for authorization in self.authorizations.values()
            if authorization.user_id == user.user_id
            for session in authorization.sessions.values()
        ]
        return sum(session.connected and session.receives_updates for session in sessions)

    def calls_of(self, method: str, user: User | None = None) -> list[CallRecord]:
        """Return the calls of a method, such as `messages.readHistory`, by all clients or those of one account."""
        return [call for call in self.calls if call.method == method and (user is None or call.user_id == user.user_id)]

    def new_handshake(self) -> Handshake:
        """Start a key exchange."""
        return Handshake(self._server_key, self._random)

    def execute(self, connection: Connection, session: Session, message_id: int, request: Any) -> None:
        """Carry out one API request, with the fault that was injected for it, and queue its answer."""
        call = Call(self._services(), session)
        try:
            request = unwrap(call, request)
        except RPCError as exc:
            session.answer(message_id, types.RpcError(exc.code, exc.message))
            return
        method, user_id = method_of(request), session.authorization.user_id
        self.calls.append(CallRecord(method, user_id, request))
        fault = self.faults.take(method, user_id) or Fault(method, 1)
        if fault.drop == "before":
            connection.close()
        elif fault.error is not None:
            session.answer(message_id, types.RpcError(*fault.error))
        else:
            self._answer(call, message_id, request, delay_s=fault.delay_s)
            if fault.drop == "after":
                connection.close()
        self._changed()

    def _answer(self, call: Call, message_id: int, request: Any, *, delay_s: float) -> None:
        session = call.session
        try:
            session.answer(message_id, respond(call, request))
        except Exception as exc:
            self._crashes.append(exc)
            session.answer(message_id, types.RpcError(500, "INTERNAL_SERVER_ERROR"))
        if delay_s:
            asyncio.get_running_loop().call_later(delay_s, session.withdraw(message_id))

    def _services(self) -> Services:
        return Services(self.world, self._actions, self._delivery, self._logins, HOST, self._port, DC_ID)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connection = Connection(self, reader, writer)
        task = asyncio.current_task()
        if task is not None:
            self._connections[connection] = task
        try:
            await connection.serve()
        finally:
            self._connections.pop(connection, None)
            self._changed()

    def _disconnect(self, user: User) -> None:
        for connection in list(self._connections):
            if connection.serves(user.user_id):
                connection.close()

    def _announce(self, authorization: Authorization) -> None:
        announce_token(self.world.now(), authorization.sessions.values())


def _utc_now() -> datetime:
    return datetime.now(UTC)


@functools.cache
def _process_key() -> ServerKey:
    return ServerKey.generate()
