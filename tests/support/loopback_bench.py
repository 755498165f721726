"""The inside of a loopback Telegram without sockets: its state, and clients that call its handlers directly."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any, TypeVar

from telethon.crypto import AuthKey
from telethon.network.mtprotostate import MTProtoState

from userbot.loopback.handlers import Call, Services, respond, unwrap
from userbot.loopback.mtproto.crypto import AuthorizationKey
from userbot.loopback.mtproto.session import Authorization, MessageClock, Session
from userbot.loopback.world.actions import Actions
from userbot.loopback.world.delivery import Delivery
from userbot.loopback.world.logins import Logins
from userbot.loopback.world.state import Channel, Group, User, World

START = datetime(2026, 1, 5, 12, 0, tzinfo=UTC)

T = TypeVar("T")


class Loggers(dict[str, Any]):
    """The loggers that Telethon's own classes want."""

    def __missing__(self, name: str) -> Any:
        return logging.getLogger(name)


class Bench:
    """A world with two people, and what acts on it; each look at its clock is a second later."""

    def __init__(self) -> None:
        self.time = START
        self.changes = 0
        self.authorizations: dict[bytes, Authorization] = {}
        self.message_clock = MessageClock()
        self.world = World(self._tick, Random(1))  # noqa: S311 # ids of a test, not secrets
        self.delivery = Delivery(self.world, self.authorizations, changed=self._count)
        self.actions = Actions(self.world, self.delivery)
        self.logins = Logins(self.world)
        self.services = Services(self.world, self.actions, self.delivery, self.logins, "127.0.0.1", 443, 2)
        self.owner = self.add_user("Owner", phone="+10000000001", username="owner")
        self.vera = self.add_user("Vera", phone="+10000000002", username="vera")

    def add_user(self, name: str, **fields: Any) -> User:
        """Create an account."""
        user = User(100 + len(self.world.users), self.world.long(), name, **fields)
        self.world.users[user.user_id] = user
        return user

    def add_group(self, *members: User) -> Group:
        """Create a basic group."""
        group = Group(-500 - len(self.world.groups), "Team", [member.user_id for member in members], START)
        self.world.groups[group.chat_id] = group
        return group

    def add_channel(self, *members: User, **fields: Any) -> Channel:
        """Create a supergroup."""
        chat_id = -1_000_000_000_600 - len(self.world.channels)
        channel = Channel(chat_id, self.world.long(), "Big", [member.user_id for member in members], START, **fields)
        self.world.channels[chat_id] = channel
        return channel

    def _tick(self) -> datetime:
        self.time += timedelta(seconds=1)
        return self.time

    def _count(self) -> None:
        self.changes += 1


class Device:
    """One client of an account: calls handlers, and decrypts by Telethon's own code what the server sends it.

    Args:
        bench: The server's inside.
        user: Who is logged in; None for nobody.
    """

    def __init__(self, bench: Bench, user: User | None) -> None:
        key = AuthorizationKey(os.urandom(256))
        self.authorization = Authorization(key, 1, user_id=None if user is None else user.user_id)
        bench.authorizations[key.key_id] = self.authorization
        self.session = Session(7, self.authorization, clock=bench.message_clock)
        self.authorization.sessions[7] = self.session
        self.session.receives_updates = True
        self.messages: list[Any] = []
        self.state = MTProtoState(AuthKey(key.key), Loggers())
        self.state.id = 7
        self._bench = bench
        self.session.attach(self.take)

    def call(self, request: Any) -> Any:
        """Return what the server answers to a request, which may be an RpcError."""
        call = Call(self._bench.services, self.session)
        return respond(call, unwrap(call, request))

    def take(self, packet: bytes) -> None:
        """Decrypt a packet from the server and keep its messages."""
        message = self.state.decrypt_message_data(packet)
        self.messages += getattr(message.obj, "messages", [message])

    def updates(self, kind: type[T]) -> list[T]:
        """Return the updates of a class that came so far."""
        return [update for update in self._all_updates() if isinstance(update, kind)]

    def _all_updates(self) -> Iterator[Any]:
        for message in self.messages:
            yield from getattr(message.obj, "updates", [getattr(message.obj, "update", message.obj)])
