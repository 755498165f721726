"""One logged-in Telegram account: what the daemon and the command line see of Telegram."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any, Self

from telethon.utils import get_display_name

from userbot.domain.errors import FloodError, OfflineError, SessionLostError
from userbot.domain.events import Event
from userbot.domain.messages import Chat
from userbot.store import Store
from userbot.store.thread import StoreThread
from userbot.telegram.blocking import choose_runner
from userbot.telegram.client import PatientClient
from userbot.telegram.connection import WATCH_S, Connection, ConnectionState
from userbot.telegram.dialogs import list_dialogs
from userbot.telegram.history import HistoryPull, Progress, PullReport
from userbot.telegram.login import Account, log_out
from userbot.telegram.reconcile import Reconciler, choose_chats
from userbot.telegram.sender import Sender
from userbot.telegram.session import ClientOptions, SessionLock, make_client
from userbot.telegram.traces import OwnTraces
from userbot.telegram.updates import UpdateReader

logger = logging.getLogger(__name__)

RECONCILE_S = 180.0
DELETIONS_S = 3600.0
_PULL_TRIES = 5


class TelegramAccount:
    """A connection to Telegram as the owner. Make it with `open`.

    ::

        async with TelegramAccount.open(options, on_state=show) as account:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(account.run_until_lost())        # ends only by raising
                tasks.create_task(account.keep_reconciled(store))  # after each connection, and every few minutes
                while True:
                    event = await account.events.get()

    Attributes:
        me: Who is logged in.
        messenger: Writes to Telegram; implements `userbot.reply.messenger.Messenger`.
        events: What happens, in order. Messages of chats that the owner did not choose come as well, with their chat,
            and a message may come more than once (after a crash, or from the reconciler): the store knows which are
            new.
    """

    def __init__(
        self,
        client: PatientClient,
        connection: Connection,
        reader: UpdateReader,
        *,
        traces: OwnTraces,
        events: asyncio.Queue[Event],
        missed: asyncio.Event,
        me: Any,
    ) -> None:
        self.me = Account(id=me.id, name=get_display_name(me), username=me.username)
        self.messenger = Sender(client, traces=traces, me_id=me.id)
        self.events = events
        self._client = client
        self._connection = connection
        self._reader = reader
        self._missed = missed
        self._reconciler = Reconciler(client, reader, sender=self.messenger, me_id=me.id, emit=events.put_nowait)
        self._one_pull = asyncio.Lock()

    @property
    def state(self) -> ConnectionState:
        """The connection's state now."""
        return self._connection.state

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
        watch_s: float = WATCH_S,
    ) -> AsyncIterator[Self]:
        """Lock the session, connect, and start to catch up with what happened since the last run.

        Args:
            options: How to reach Telegram.
            on_state: Called with each new state of the connection.
            attempts: Tries to connect before giving up; None tries forever, with growing pauses.
            unconfirmed: Pending rows of the outbox as (chat id, text): an earlier run may have sent them.
            own_drafts: Texts, by chat id, that an earlier run left in draft boxes; they may be replaced.
            sleep: Waits for a number of seconds: pauses between tries, flood waits, checks.
            watch_s: Seconds between two checks that the connection still delivers updates.

        Raises:
            ConfigError: The api id or hash is missing.
            SessionBusyError: Another process uses the session.
            LoginError: Nobody ever logged in; run `clone login`.
            SessionLostError: The session was revoked, or the account banned.
            OfflineError: No connection within `attempts`.
        """
        events: asyncio.Queue[Event] = asyncio.Queue()
        missed = asyncio.Event()
        traces = OwnTraces(unconfirmed, own_drafts)
        with SessionLock(options.session):
            client = make_client(options, sleep=sleep)
            client.on_gap = missed.set
            reader = UpdateReader(client, events.put_nowait, traces=traces, on_gap=missed.set)
            reader.attach()
            connection = Connection(client, on_state=_note_connections(missed, on_state), sleep=sleep, watch_s=watch_s)
            try:
                me = await connection.connect(attempts=attempts)
                reader.begin(me.id)
                yield cls(client, connection, reader, traces=traces, events=events, missed=missed, me=me)
            finally:
                await connection.close()

    async def run_until_lost(self) -> None:
        """Keep the connection up: reconnect with growing pauses and catch up. Never returns.

        Raises:
            SessionLostError: The session was revoked, the account banned, or the key used twice.
        """
        await self._connection.hold()

    async def reconcile(
        self,
        store: Store,
        chats: Sequence[Chat] | None = None,
        *,
        thread: StoreThread | None = None,
        deletions: bool = False,
    ) -> int:
        """Fetch what the updates may have missed, and put it into `events`.

        Args:
            store: Knows the chats and their messages; remembers how far each chat was compared.
            chats: Chats to look at instead of all whose messages are kept.
            thread: Runs the store's calls; any thread without it.
            deletions: Find out what was deleted or edited meanwhile, too.

        Returns:
            Number of messages that the store lacked.

        Raises:
            FloodError: Telegram asks to wait; the chats before are done.
            OfflineError: The connection broke.
            SessionLostError: The session can't be used any more.
        """
        run = choose_runner(thread)
        compared = list(chats) if chats is not None else await run(choose_chats, store)
        return await self._reconciler.reconcile(store, compared, run=run, deletions=deletions)

    async def keep_reconciled(
        self, store: Store, *, every_s: float = RECONCILE_S, thread: StoreThread | None = None
    ) -> None:
        """Reconcile after each connection, after each gap in the updates, and every `every_s` seconds. Never returns.

        What was deleted or edited is asked after connections and gaps, and every `DELETIONS_S` seconds.

        Args:
            store: Knows the chats and their messages.
            every_s: Seconds between two comparisons when nothing else asks for one.
            thread: Runs the store's calls; any thread without it.
        """
        clock = asyncio.get_running_loop().time
        asked_at = float("-inf")
        while True:
            try:
                async with asyncio.timeout(every_s):
                    await self._missed.wait()
            except TimeoutError:
                pass
            is_due = clock() - asked_at >= DELETIONS_S or self._reconciler.is_in_doubt
            deletions = is_due or self._missed.is_set()
            if self.state is not ConnectionState.CONNECTED:
                self._missed.clear()
                continue
            self._missed.clear()
            try:
                await self.reconcile(store, thread=thread, deletions=deletions)
                asked_at = clock() if deletions else asked_at
            except FloodError as exc:
                logger.warning("The reconciler has to wait: %s", exc)
                await self._client.sleep(exc.wait_s)
                self._missed.set()
            except (OfflineError, SessionLostError) as exc:
                # The connection is supervised elsewhere; the next one triggers the next comparison.
                logger.info("The reconciler stops until the next connection: %s", exc)
            except Exception:
                # Telegram or the store, as on a full disk: the next comparison finds what this one did not.
                logger.exception("The reconciler failed")

    async def dialogs(self) -> list[Chat]:
        """Return all chats of the account, newest first, as Telegram describes them; mode and consent are defaults.

        Raises:
            OfflineError: The connection broke.
            SessionLostError: The session can't be used any more.
        """
        return await list_dialogs(self._client, self.me.id)

    async def pull(
        self,
        store: Store,
        chats: Sequence[Chat],
        *,
        on_progress: Callable[[Progress], None] | None = None,
        takeout: bool = True,
        thread: StoreThread | None = None,
    ) -> PullReport:
        """Fetch the history of chats into the store, newest first; continue where an earlier pull stopped.

        Args:
            store: Where messages go; it remembers how far each chat got. The chats must be in it.
            chats: Chats to fetch.
            on_progress: Called after each page, and before each wait that Telegram asks for.
            takeout: Ask Telegram for an export session, which has more generous limits; pull without it when refused.
            thread: Runs the store's calls; any thread without it.

        Returns:
            What was fetched, and which chats Telegram refused.

        Raises:
            SessionLostError: The session was revoked.
            OfflineError: The connection broke five times; what was fetched is stored, and the next pull continues.
        """
        async with self._one_pull:
            engine = HistoryPull(
                self._client,
                self._reader,
                sender=self.messenger,
                me_id=self.me.id,
                store=store,
                run=choose_runner(thread),
                on_progress=on_progress or (lambda _progress: None),
            )
            tries = 0
            while True:
                tries += 1
                try:
                    return await engine.pull(chats, takeout=takeout)
                except OfflineError as exc:
                    if tries == _PULL_TRIES:
                        raise
                    logger.warning("The pull waits until the connection is back: %s", exc)
                    await self._connection.restore(attempts=_PULL_TRIES)

    async def log_out(self) -> None:
        """End the session at Telegram and delete its file; the account can't be used afterwards.

        Raises:
            TelegramError: Telegram did not end it; the file stays.
        """
        await log_out(self._client)


def _note_connections(
    missed: asyncio.Event, on_state: Callable[[ConnectionState], None] | None
) -> Callable[[ConnectionState], None]:
    """Return a listener that passes states on and asks for a comparison after each connection."""

    def note(state: ConnectionState) -> None:
        if state is ConnectionState.CONNECTED:
            missed.set()
        if on_state is not None:
            on_state(state)

    return note
