"""One run of the daemon: its tasks, its states, and what the owner's commands do to it."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from contextlib import suppress
from functools import partial
from random import SystemRandom
from typing import Any

from userbot.config.settings import Settings
from userbot.daemon.adapter_switch import AdapterSwitch
from userbot.daemon.command_context import CommandContext
from userbot.daemon.health import serve_health
from userbot.daemon.heartbeat import Heartbeat
from userbot.daemon.indexing import keep_indexed
from userbot.daemon.jobs import ScheduledJobs
from userbot.daemon.leftover_drafts import LeftoverDrafts
from userbot.daemon.owner_commands import OwnerCommands
from userbot.daemon.pulling import BackgroundPull
from userbot.daemon.renames import RenameNotices
from userbot.daemon.wiring import (
    load_generator,
    make_opt_outs,
    make_privacy_guard,
    make_reply_config,
    make_telegram_options,
)
from userbot.domain.errors import CloneError, LoginError, SessionLostError
from userbot.domain.messages import Chat
from userbot.domain.metrics import Metrics
from userbot.domain.plural import format_count
from userbot.generator import Generator
from userbot.generator.stoppable import StoppableGenerator
from userbot.reply.answering import Answering
from userbot.reply.echo import list_unconfirmed
from userbot.reply.outbox import Outbox
from userbot.reply.responder import Responder
from userbot.reply.situation import read_own_drafts
from userbot.reply.timer import WallTimer
from userbot.store import Store
from userbot.store.adapters import AdapterShelf
from userbot.store.facts import OWNER_ID, OWNER_NAME, OWNER_USERNAME
from userbot.store.forget_journal import ForgetJournal
from userbot.store.thread import StoreThread
from userbot.telegram.account import TelegramAccount
from userbot.telegram.connection import ConnectionState
from userbot.trust.disclosure import DisclosureIndex
from userbot.trust.stale_adapters import find_stop

log = logging.getLogger(__name__)

DRAIN_S = 8.0
"""Longest wait, at the end, for bubbles that are being sent."""

POLL_S = 1.0
"""Time between two looks for commands and a new active adapter."""

READY = "the daemon is ready"
"""How the log line begins that says that chats are answered from now on."""


class Daemon:
    """One run of the daemon, and what commands ask of it (`userbot.daemon.command_context.RunningDaemon`).

    Args:
        settings: All of them.
        store: Messages, replies, facts.
        shelf: Adapters.
        reconcile_every_s: Time between two looks for missed messages.
    """

    def __init__(
        self,
        settings: Settings,
        store: Store,
        shelf: AdapterShelf,
        *,
        reconcile_every_s: float,
    ) -> None:
        self._settings = settings
        self._store = store
        self._shelf = shelf
        self._reconcile_every_s = reconcile_every_s
        self._timer = WallTimer()
        self._metrics = Metrics()
        self.thread = StoreThread()
        self._heartbeat = Heartbeat(store, self.thread, clock=self._timer.now, metrics=self._metrics)
        self.is_serving = False

    async def run(self, generator: Generator | None, *, ready: asyncio.Event, stop: asyncio.Event) -> None:
        """Connect, answer until stopped, and shut down in order.

        Args:
            generator: Writes replies in place of the one that the settings name.
            ready: Set when events are being handled.
            stop: Ends the run when set.

        Raises:
            LoginError: Nobody is logged in.
            SessionLostError: The session was revoked, or the account banned.
            SessionBusyError: Another process uses the session.
        """
        try:
            await self._connect_and_serve(generator, ready=ready, stop=stop)
            await self._heartbeat.set("stopped")
        except asyncio.CancelledError:
            await self._heartbeat.set("stopped")
            raise
        except (SessionLostError, LoginError) as exc:
            await self._heartbeat.set("session lost" if isinstance(exc, SessionLostError) else "needs login")
            raise
        except Exception:
            # Before it serves, another daemon may hold the session, and the state in the store is that one's.
            if self.is_serving:
                await self._heartbeat.set("failed")
            raise

    async def _connect_and_serve(
        self, generator: Generator | None, *, ready: asyncio.Event, stop: asyncio.Event
    ) -> None:
        async with TelegramAccount.open(
            make_telegram_options(self._settings),
            on_state=self._show_connection,
            unconfirmed=list_unconfirmed(self._store),
            own_drafts=read_own_drafts(self._store),
        ) as account:
            await self._remember_owner(account)
            port, read_health = self._settings.health.port, self._heartbeat.read_health
            with serve_health(port, metrics=self._metrics, read_health=read_health) as bound_port:
                if bound_port is not None:
                    log.info("the health endpoint is http://127.0.0.1:%d/health", bound_port)
                serving = generator or await load_generator(self._settings, self._shelf)
                try:
                    await self._serve(account, serving, ready=ready, stop=stop)
                finally:
                    if generator is None:
                        await serving.close()

    async def _serve(
        self, account: TelegramAccount, generator: Generator, *, ready: asyncio.Event, stop: asyncio.Event
    ) -> None:
        self.is_serving = True
        self._build(account, generator)
        work = asyncio.create_task(self._work(account, ready), name="daemon")
        stopping = asyncio.create_task(stop.wait(), name="stop")
        await asyncio.wait({work, stopping}, return_when=asyncio.FIRST_COMPLETED)
        stopping.cancel()
        if not work.done():
            await self._drain()
        await self._jobs.stop()
        work.cancel()
        with suppress(asyncio.CancelledError):
            try:
                await work
            except BaseExceptionGroup as group:
                raise pick_cause(group) from group

    def _build(self, account: TelegramAccount, generator: Generator) -> None:
        config = make_reply_config(self._settings)
        parts: dict[str, Any] = {
            "store": self._store,
            "thread": self.thread,
            "timer": self._timer,
            "metrics": self._metrics,
        }
        self._account = account
        self._pull = BackgroundPull(account, self._store, self.thread)
        self._adapter_switch = AdapterSwitch(generator, self._shelf, self.thread)
        context = CommandContext(store=self._store, thread=self.thread, shelf=self._shelf, daemon=self)
        self._commands = OwnerCommands(context, notify_owner=account.messenger.notify_owner)
        self._renames = RenameNotices(self._store, self.thread, notify_owner=account.messenger.notify_owner)
        self._index = DisclosureIndex(self._store.disclosure)
        self._leftovers = LeftoverDrafts(
            account.messenger, self._store, self.thread, journal=ForgetJournal(self._settings.paths.forgotten)
        )
        self._outbox = Outbox(**parts, messenger=account.messenger, stale_s=config.rules.stale_s)
        answering = Answering(
            **parts,
            messenger=account.messenger,
            generator=StoppableGenerator(generator, find_stop=partial(find_stop, self._shelf)),
            outbox=self._outbox,
            config=config,
            random=SystemRandom(),
            privacy=make_privacy_guard(self._settings, self._index),
        )
        self._responder = Responder(
            **parts,
            answering=answering,
            outbox=self._outbox,
            config=config,
            on_saved=self._commands.handle_saved_message,
            opt_outs=make_opt_outs(self._settings, self._store),
        )
        self._jobs = ScheduledJobs(
            self._settings,
            store=self._store,
            thread=self.thread,
            shelf=self._shelf,
            messenger=account.messenger,
            generator=generator,
            activate_adapter=self.activate_adapter,
        )

    async def _work(self, account: TelegramAccount, ready: asyncio.Event) -> None:
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(account.run_until_lost(), name="connection")
            await self._outbox.start(tasks)
            tasks.create_task(self._responder.run(account.events, tasks), name="responder")
            tasks.create_task(
                account.keep_reconciled(self._store, every_s=self._reconcile_every_s, thread=self.thread),
                name="reconciler",
            )
            tasks.create_task(self._poll(), name="poll")
            tasks.create_task(keep_indexed(self._index, self.thread, self._timer), name="disclosure index")
            tasks.create_task(self._leftovers.clear_queued(), name="drafts of forgotten chats")
            await self._jobs.start()
            await self._log_allowed()
            ready.set()

    async def _drain(self) -> None:
        log.info("the daemon stops once the bubbles that are being sent are out")
        await self._pull.stop()
        self._responder.stop()
        try:
            async with asyncio.timeout(DRAIN_S):
                await self._outbox.drain()
        except TimeoutError:
            log.warning("a bubble was still being sent; it is sent again at the next start, and delivered once")

    async def _log_allowed(self) -> None:
        allowed = await self.thread.run(self._store.chats.allowed)
        if allowed:
            log.info("%s and answers %s", READY, format_count(len(allowed), "chat"))
        else:
            log.warning("%s but answers nobody, as no chat is allowed; allow one: clone chats allow CHAT", READY)

    async def _remember_owner(self, account: TelegramAccount) -> None:
        await self.thread.run(self._store.facts.set, OWNER_ID, account.me.id)
        await self.thread.run(self._store.consents.bind, account.me.id)
        await self.thread.run(self._store.facts.set, OWNER_NAME, account.me.name)
        await self.thread.run(self._store.facts.set, OWNER_USERNAME, account.me.username)

    async def _poll(self) -> None:
        """Carry out commands of other processes, follow the active adapter, give a sign of life; never returns."""
        logged: str | None = None
        await self._commands.give_up_old()
        while True:
            try:
                await self._commands.run_waiting()
                await self._heartbeat.beat()
                await self._adapter_switch.activate()
                await self._renames.check()
                logged = None
            except CloneError as exc:
                if str(exc) != logged:  # it may last, and comes up every second
                    log.warning("the poll for commands and adapters failed: %s", exc)
                logged = str(exc)
            except Exception:
                self._metrics.errors.labels("poll").inc()
                log.exception("the poll for commands and adapters failed")
            await self._timer.sleep(POLL_S)

    def _show_connection(self, state: ConnectionState) -> None:
        log.info("the connection to Telegram is in state %r", state.value)
        self._heartbeat.set(state.value)

    # What commands ask for

    async def review(self) -> None:
        """Decide again on bursts that wait for an answer."""
        await self._responder.review()

    async def drop(self, chat_id: int, *, reason: str) -> None:
        """Stop the answer that is being prepared or sent in a chat."""
        await self._responder.drop(chat_id, reason=reason)

    async def release(self, chat: Chat) -> None:
        """Let go of a chat that is to be forgotten: stop its answer, and clear the clone's draft at Telegram."""
        await self._responder.drop(chat.id, reason="the chat is forgotten")
        await self._leftovers.clear(chat)

    async def clear_drafts(self) -> None:
        """Clear the drafts of forgotten chats that are still at Telegram."""
        await self._leftovers.clear_queued()

    async def delete(self, chat: Chat, message_ids: list[int]) -> None:
        """Delete messages for both sides."""
        await self._account.messenger.delete(chat, message_ids)

    async def list_dialogs(self) -> Sequence[Chat]:
        """Return the account's own chats."""
        return await self._account.dialogs()

    async def retrain(self) -> str:
        """Start a training; return what to tell the owner."""
        return await self._jobs.retraining.start_now()

    async def cancel_training(self) -> str:
        """Stop the training in progress; return what to tell the owner."""
        return await self._jobs.retraining.cancel()

    async def pull(self, chats: Sequence[Chat]) -> str:
        """Start to fetch the history of chats; return what to tell the owner."""
        return self._pull.start(chats)

    async def activate_adapter(self) -> str | None:
        """Load the adapter that is active now; return the id of the one that writes afterwards."""
        return await self._adapter_switch.activate()


def pick_cause(group: BaseExceptionGroup[BaseException]) -> BaseException:
    """Return the error of a group that explains it best: a lost session first, then the project's own errors."""
    leaves: list[BaseException] = []
    stack: list[BaseException] = [group]
    while stack:
        exc = stack.pop()
        if isinstance(exc, BaseExceptionGroup):
            stack.extend(exc.exceptions)
        else:
            leaves.append(exc)
    return min(leaves, key=lambda exc: (not isinstance(exc, SessionLostError), not isinstance(exc, CloneError)))
