"""One logged-in Telegram account: what the daemon and the command line see of Telegram."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager

from userbot.events import Event
from userbot.messages import Chat
from userbot.reply.wire import Wire
from userbot.store import Store
from userbot.telegram.connection import ConnectionState
from userbot.telegram.history import Progress, PullReport
from userbot.telegram.login import Account
from userbot.telegram.session import ClientOptions


class TelegramAccount:
    """A connection to Telegram as the owner. Make it with `open`.

    ::

        async with TelegramAccount.open(options, on_state=show) as account:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(account.run_until_lost())        # ends only by raising
                tasks.create_task(account.keep_reconciled(store))  # start, each reconnect, every few minutes
                while True:
                    event = await account.events.get()

    Attributes:
        me: Who is logged in.
        wire: Writes to Telegram; implements `userbot.reply.wire.Wire`.
        events: What happens, in order. Messages of chats that the owner did not choose come too, with their chat, and
            a message may come more than once (after a crash, or from the reconciler): the store knows which are new.
        state: The connection's state now.
    """

    me: Account
    wire: Wire
    events: asyncio.Queue[Event]

    @property
    def state(self) -> ConnectionState:
        """The connection's state now."""
        raise NotImplementedError

    @classmethod
    @asynccontextmanager
    async def open(
        cls,
        options: ClientOptions,
        *,
        on_state: Callable[[ConnectionState], None] | None = None,
        attempts: int | None = None,
        unconfirmed: Iterable[tuple[int, str]] = (),
        own_drafts: Mapping[int, str] | None = None,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> AsyncIterator[TelegramAccount]:
        """Lock the session, connect, and catch up with what happened since the last run.

        Args:
            options: How to reach Telegram.
            on_state: Called with each new state of the connection.
            attempts: Tries to connect before giving up; None tries for ever, with growing pauses.
            unconfirmed: Bubbles, as (chat id, text), that an earlier run may have sent without noting it: the pending
                rows of the outbox. Their echo is then the clone's and not the owner's.
            own_drafts: Texts, by chat id, that an earlier run left in draft boxes; they may be replaced.
            sleep: Waits for a number of seconds.

        Raises:
            ConfigError: The api id or hash is missing.
            SessionBusyError: Another process uses the session.
            LoginError: Nobody is logged in; run `clone login`.
            SessionLostError: The session was revoked, or the account banned.
            OfflineError: No connection within `attempts`.
        """
        raise NotImplementedError
        yield

    async def run_until_lost(self) -> None:
        """Keep the connection up: reconnect with growing pauses and catch up; return never.

        Raises:
            SessionLostError: The session was revoked, the account banned, or the key used twice.
        """
        raise NotImplementedError

    async def reconcile(self, store: Store, chats: Sequence[Chat] | None = None) -> int:
        """Fetch what the updates may have missed in the allowed chats, and put it into `events`.

        Args:
            store: Knows the chats and the newest message of each.
            chats: Chats to look at instead of all that may be answered.

        Returns:
            How many messages were found that the store lacked.
        """
        raise NotImplementedError

    async def keep_reconciled(self, store: Store, *, every_s: float = 180.0) -> None:
        """Reconcile now, after each reconnection or gap in the updates, and every `every_s` seconds; return never."""
        raise NotImplementedError

    async def dialogs(self) -> list[Chat]:
        """Return all chats of the account, newest first, as Telegram describes them; mode and consent are defaults."""
        raise NotImplementedError

    async def pull(
        self,
        store: Store,
        chats: Sequence[Chat],
        *,
        on_progress: Callable[[Progress], None] | None = None,
        takeout: bool = True,
    ) -> PullReport:
        """Fetch the history of chats into the store, newest first; go on where an earlier pull stopped.

        Args:
            store: Where messages go; it remembers how far each chat got.
            chats: Chats to fetch.
            on_progress: Called after each page.
            takeout: Ask Telegram for an export session, which has gentler limits; goes on without it when refused.

        Raises:
            SessionLostError: The session was revoked.
            OfflineError: The connection broke; what was fetched is stored.
        """
        raise NotImplementedError

    async def log_out(self) -> None:
        """Log out and delete the session file."""
        raise NotImplementedError
