"""Sessions of one authorization key: message ids, acknowledgements, answers, and who is logged in by that key."""

from __future__ import annotations

import gzip
import struct
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from telethon.tl import TLObject, types

from userbot.loopback.mtproto.crypto import AuthorizationKey

# Constructor ids of the protocol's own types, which Telethon keeps no class for.
CONTAINER_ID = 0x73F1F8DC
GZIP_PACKED_ID = 0x3072CFA1
_RPC_RESULT_ID = 0xF35C6D01
_VECTOR_ID = 0x1CB5C415
_TRUE_ID, _FALSE_ID = 0x997275B5, 0xBC799737
_GZIP_FROM_BYTES = 1024
_REMEMBERED_REQUESTS = 200


@dataclass(slots=True)
class Authorization:
    """What the server knows of one authorization key; it outlives connections and sessions.

    Args:
        key: The key itself.
        salt: The salt that the client's packets must carry.
        user_id: Who is logged in with this key; None for nobody.
        password_pending_for: Who has entered a code and must still enter the password.
        refusal: Code and text of the error that answers every later request; None while the key is valid.
        takeout_id: The open takeout session.
        login_token: The token that the client shows as a QR code.
        seq: Number of the last sequenced update.
        sessions: The key's sessions by id.
    """

    key: AuthorizationKey
    salt: int
    user_id: int | None = None
    password_pending_for: int | None = None
    refusal: tuple[int, str] | None = None
    takeout_id: int | None = None
    login_token: bytes | None = None
    seq: int = 1
    sessions: dict[int, Session] = field(default_factory=dict)


class MessageClock:
    """Give out the server's message ids: odd, increasing, and close to the wall clock, which clients check."""

    def __init__(self) -> None:
        self._last = 0

    def next_id(self, *, answer: bool) -> int:
        """Return a new id; `answer` tells answers (1 modulo 4) from messages of the server's own (3 modulo 4)."""
        self._last = max(self._last + 4, int(time.time() * 2**32) & ~3)
        return self._last | (1 if answer else 3)


class Session:
    """One session of a client, which may live through several connections.

    `answer` and `post` queue messages and `flush` sends them, several as one container. Without a connection, they wait
    until the session comes back, and so do messages that were sent but not acknowledged.

    Args:
        session_id: The number that the client chose.
        authorization: Whose key encrypts the session.
        clock: Gives out the server's message ids.

    Attributes:
        receives_updates: Whether the client wants updates in this session.
        answers: Answers by request id, for requests that are repeated; None while a request is being carried out.
    """

    def __init__(self, session_id: int, authorization: Authorization, *, clock: MessageClock) -> None:
        self.session_id = session_id
        self.authorization = authorization
        self.receives_updates = False
        self.answers: OrderedDict[int, bytes | None] = OrderedDict()
        self._clock = clock
        self._content_count = 0
        self._queue: list[tuple[int, int, bytes]] = []
        self._unacknowledged: dict[int, tuple[int, int, bytes]] = {}
        self._write: Callable[[bytes], None] | None = None

    @property
    def connected(self) -> bool:
        """Whether a connection carries this session now."""
        return self._write is not None

    def attach(self, write: Callable[[bytes], None]) -> None:
        """Bind the session to a connection and queue again what its client has not acknowledged.

        Args:
            write: Sends one packet over the connection.
        """
        if self._write == write:
            return
        self._write = write
        queued = {message[0] for message in self._queue}
        self._queue[:0] = [message for key, message in self._unacknowledged.items() if key not in queued]

    def detach(self, write: Callable[[bytes], None]) -> None:
        """Forget a connection, unless another one has taken its place."""
        if self._write == write:
            self._write = None

    def begin(self, message_id: int) -> bool:
        """Note a request; return whether it is new. A repeated one is answered again from memory."""
        if message_id in self.answers:
            known = self.answers[message_id]
            if known is not None:
                self._enqueue(known, content=True, answer=True)
            return False
        self.answers[message_id] = None
        while len(self.answers) > _REMEMBERED_REQUESTS:
            self.answers.popitem(last=False)
        return True

    def answer(self, message_id: int, result: Any) -> None:
        """Queue the result of the request `message_id`; large ones are compressed."""
        body = serialise(result)
        body = struct.pack("<Iq", _RPC_RESULT_ID, message_id) + (
            body if isinstance(result, types.RpcError) else _pack(body)
        )
        self.answers[message_id] = body
        self._enqueue(body, content=True, answer=True)

    def post(self, message: Any, *, content: bool = False) -> None:
        """Queue a service message, or an update when `content`, which the client has to acknowledge."""
        body = serialise(message)
        self._enqueue(_pack(body) if content else body, content=content, answer=False)

    def withdraw(self, message_id: int) -> Callable[[], None]:
        """Take the answer to a request out of the queue; return a function that sends it later."""
        body = self.answers[message_id]
        queued = [message for message in self._queue if message[2] is body or message[2] == body]
        for message in queued:
            self._queue.remove(message)
            self._unacknowledged.pop(message[0], None)

        def send_late() -> None:
            if body is not None:
                self._enqueue(body, content=True, answer=True)
            self.flush()

        return send_late

    def acknowledge(self, message_ids: list[int]) -> None:
        """Forget messages that have arrived."""
        for message_id in message_ids:
            self._unacknowledged.pop(message_id, None)

    def flush(self) -> None:
        """Send what is queued, if there is a connection."""
        if self._write is None or not self._queue:
            return
        messages, self._queue = self._queue, []
        packed = [struct.pack("<qii", number, seqno, len(body)) + body for number, seqno, body in messages]
        if len(packed) > 1:
            body = struct.pack("<Ii", CONTAINER_ID, len(packed)) + b"".join(packed)
            number = self._clock.next_id(answer=False)
            packed = [struct.pack("<qii", number, self._content_count * 2, len(body)) + body]
        header = struct.pack("<qq", self.authorization.salt, self.session_id)
        self._write(self.authorization.key.seal(header + packed[0]))

    def _enqueue(self, body: bytes, *, content: bool, answer: bool) -> None:
        body += bytes(-len(body) % 4)
        number = self._clock.next_id(answer=answer)
        message = (number, self._content_count * 2 + content, body)
        self._content_count += content
        if content:
            self._unacknowledged[number] = message
        self._queue.append(message)


def serialise(value: Any) -> bytes:
    """Return a result as TL bytes: an object, a bool, or a list of objects or longs."""
    match value:
        case bool():
            return struct.pack("<I", _TRUE_ID if value else _FALSE_ID)
        case list():
            items = (struct.pack("<q", item) if isinstance(item, int) else bytes(item) for item in value)
            return struct.pack("<Ii", _VECTOR_ID, len(value)) + b"".join(items)
    return bytes(value)


def _pack(body: bytes) -> bytes:
    if len(body) < _GZIP_FROM_BYTES:
        return body
    packed = struct.pack("<I", GZIP_PACKED_ID) + bytes(TLObject.serialize_bytes(gzip.compress(body, 1)))
    return packed if len(packed) < len(body) else body
