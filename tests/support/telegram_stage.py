"""A loopback Telegram with an owner who is logged in, for the tests of the Telegram part."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from userbot.domain.events import Arrived, Event
from userbot.domain.messages import Chat, ChatKind, Mode
from userbot.loopback import LoopbackTelegram, User
from userbot.store import Store
from userbot.telegram.account import TelegramAccount
from userbot.telegram.connection import ConnectionState
from userbot.telegram.login import connect_for_login
from userbot.telegram.session import ClientOptions

PHONE = "+10000000001"

E = TypeVar("E", bound=Event)


@dataclass
class Stage:
    """The server, the people, and what the daemon would own."""

    server: LoopbackTelegram
    options: ClientOptions
    store: Store
    owner: User
    vera: User
    states: list[ConnectionState] = field(default_factory=list)
    naps: list[float] = field(default_factory=list)

    @classmethod
    def set_up(cls, server: LoopbackTelegram, home: Path, store: Store) -> Stage:
        """Create the accounts, and point the options at the server."""
        endpoint = home / "endpoint.json"
        endpoint.write_text(server.endpoint.to_json())
        options = ClientOptions(session=home / "telegram.session", api_id=1, api_hash="hash", endpoint_file=endpoint)
        owner = server.add_user("Owner", phone=PHONE, username="owner")
        return cls(server, options, store, owner, server.add_user("Vera", last_name="Orlova"))

    async def log_in(self) -> None:
        """Make the session file."""
        async with connect_for_login(self.options) as client:
            await self.server.log_in(client, self.owner)

    @asynccontextmanager
    async def account(self, *, supervised: bool = True, **options: Any) -> AsyncIterator[TelegramAccount]:
        """Open the account; if it is supervised as in the daemon, wait until it has caught up."""
        async with TelegramAccount.open(
            self.options, on_state=self.states.append, sleep=self.nap, **options
        ) as account:
            task = asyncio.create_task(account.run_until_lost()) if supervised else None
            try:
                if supervised:
                    await self.wait_state(account, ConnectionState.CONNECTED)
                yield account
            finally:
                if task is not None:
                    task.cancel()
                    with suppress(asyncio.CancelledError, Exception):
                        await task

    async def nap(self, seconds: float) -> None:
        """Sleep a thousandth of the time, and note it."""
        self.naps.append(seconds)
        await asyncio.sleep(seconds / 1000)

    async def wait_state(self, account: TelegramAccount, state: ConnectionState) -> None:
        await wait_until(lambda: account.state is state)

    def chat(self, user: User | None = None, *, mode: Mode = Mode.AUTO) -> Chat:
        """Return the private chat with a user, stored and allowed."""
        contact = user or self.vera
        chat = Chat(
            id=contact.user_id,
            kind=ChatKind.PRIVATE,
            title=contact.first_name,
            access_hash=contact.access_hash,
            mode=mode,
        )
        self.store.chats.save([chat])
        self.store.chats.set_mode(chat.id, mode)
        return chat


async def next_event(account: TelegramAccount, kind: type[E], *, timeout_s: float = 5.0) -> E:
    """Return the next event of a kind; others before it are dropped."""
    async with asyncio.timeout(timeout_s):
        while True:
            event = await account.events.get()
            if isinstance(event, kind):
                return event


async def next_texts(account: TelegramAccount, count: int) -> list[str]:
    """Return the texts of the next messages that arrive."""
    return [(await next_event(account, Arrived)).message.text for _ in range(count)]


async def wait_until(condition: Callable[[], object], *, timeout_s: float = 5.0) -> None:
    """Wait for what no event announces, such as a state of the connection."""
    async with asyncio.timeout(timeout_s):
        while not condition():  # noqa: ASYNC110  # no event tells of what is waited for here
            await asyncio.sleep(0.005)


def left_over(account: TelegramAccount) -> list[Event]:
    """Return the events that nobody has read yet."""
    return [account.events.get_nowait() for _ in range(account.events.qsize())]
