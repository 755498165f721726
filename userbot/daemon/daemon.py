"""One run of the daemon: its tasks, its states, and what the owner's commands do to it."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta
from random import SystemRandom
from typing import Any

from userbot.config.settings import Settings
from userbot.daemon import commands as control
from userbot.daemon.health import serve_health
from userbot.daemon.heartbeat import BEAT_S, write_state
from userbot.daemon.jobs import Upkeep
from userbot.daemon.pulling import Pulling
from userbot.daemon.wiring import load_generator, make_reply_config, make_telegram_options
from userbot.domain.errors import CloneError, GeneratorUnavailableError, LoginError, SessionLostError
from userbot.domain.messages import Chat, Message
from userbot.domain.metrics import STATES, Metrics
from userbot.generator import Generator
from userbot.reply.answering import Answering
from userbot.reply.outbox import Outbox
from userbot.reply.responder import Responder
from userbot.reply.situation import read_own_drafts
from userbot.reply.timer import WallTimer
from userbot.store import Store
from userbot.store.adapters import AdapterShelf
from userbot.store.commands import Command
from userbot.store.facts import COMMAND_ID, OWNER_ID, OWNER_NAME, OWNER_USERNAME
from userbot.store.replies import Decision
from userbot.store.thread import StoreThread
from userbot.telegram.account import TelegramAccount
from userbot.telegram.connection import ConnectionState

log = logging.getLogger(__name__)

DRAIN_S = 8.0
POLL_S = 1.0
COMMAND_AGE_S = 300.0


class Daemon:
    """One run of the daemon; it is also what the owner's commands act on."""

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
        self._state = "starting"
        self._since = self._timer.now()
        self._beat_at = self._since
        self.thread = StoreThread()
        self._context = control.CommandContext(store=store, thread=self.thread, shelf=shelf, daemon=self)
        self._forwarded: dict[int, Decision] = {}
        self._refused: str | None = None
        self.is_serving = False

    async def run(self, generator: Generator | None, *, ready: asyncio.Event, stop: asyncio.Event) -> None:
        """Connect, answer, and leave in good order."""
        pending = [(item.chat_id, item.text) for item in self._store.replies.pending() if item.attempts]
        try:
            async with TelegramAccount.open(
                make_telegram_options(self._settings),
                on_state=self._show_connection,
                unconfirmed=pending,
                own_drafts=read_own_drafts(self._store),
            ) as account:
                await self._remember_owner(account)
                with serve_health(
                    self._settings.health.port, metrics=self._metrics, read_health=self._read_health
                ) as port:
                    if port is not None:
                        log.info("health: http://127.0.0.1:%d/health", port)
                    self._generator = generator or await load_generator(self._settings, self._shelf)
                    try:
                        await self._serve(account, ready=ready, stop=stop)
                    finally:
                        if generator is None:
                            await self._generator.close()
            await self._set_state("stopped")
        except asyncio.CancelledError:
            await self._set_state("stopped")
            raise
        except (SessionLostError, LoginError) as exc:
            await self._set_state("session lost" if isinstance(exc, SessionLostError) else "needs login")
            raise
        except Exception:
            # Before it serves, another daemon may hold the session, and this fact is that one's.
            if self.is_serving:
                await self._set_state("failed")
            raise

    async def _serve(self, account: TelegramAccount, *, ready: asyncio.Event, stop: asyncio.Event) -> None:
        self.is_serving = True
        self._account = account
        self._pulling = Pulling(account, self._store, self.thread)
        config = make_reply_config(self._settings)
        parts: dict[str, Any] = {"store": self._store, "thread": self.thread, "timer": self._timer}
        self._outbox = Outbox(**parts, messenger=account.messenger, stale_s=config.rules.stale_s, metrics=self._metrics)
        answering = Answering(
            **parts,
            messenger=account.messenger,
            generator=self._generator,
            outbox=self._outbox,
            config=config,
            random=SystemRandom(),
            metrics=self._metrics,
        )
        self._responder = Responder(
            **parts,
            answering=answering,
            outbox=self._outbox,
            config=config,
            metrics=self._metrics,
            on_saved=self._handle_saved_message,
        )
        self._upkeep = Upkeep(
            self._settings,
            store=self._store,
            thread=self.thread,
            shelf=self._shelf,
            messenger=account.messenger,
            generator=self._generator,
            activate_adapter=self.activate_adapter,
        )
        work = asyncio.create_task(self._work(account, ready), name="daemon")
        stopping = asyncio.create_task(stop.wait(), name="stop")
        await asyncio.wait({work, stopping}, return_when=asyncio.FIRST_COMPLETED)
        stopping.cancel()
        if not work.done():
            await self._drain()
        await self._upkeep.stop()
        work.cancel()
        with suppress(asyncio.CancelledError):
            try:
                await work
            except BaseExceptionGroup as group:
                raise _pick_cause(group) from group

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
            await self._upkeep.start()
            await self._tell_allowed()
            ready.set()

    async def _drain(self) -> None:
        log.info("stopping: what is being sent is finished first")
        await self._pulling.stop()
        self._responder.stop()
        try:
            async with asyncio.timeout(DRAIN_S):
                await self._outbox.drain()
        except TimeoutError:
            log.warning("a bubble was still on its way; it is sent again at the next start, and delivered once")

    async def _tell_allowed(self) -> None:
        allowed = await self.thread.run(self._store.chats.allowed)
        if not allowed:
            log.warning("no chat is allowed, so this answers nobody; allow one: clone chats allow CHAT")
        else:
            log.info("answering %d chats", len(allowed))

    async def _remember_owner(self, account: TelegramAccount) -> None:
        await self.thread.run(self._store.facts.set, OWNER_ID, account.me.id)
        await self.thread.run(self._store.facts.set, OWNER_NAME, account.me.name)
        await self.thread.run(self._store.facts.set, OWNER_USERNAME, account.me.username)

    async def _poll(self) -> None:
        """Carry out commands of other processes, follow the adapter in service, give a sign of life."""
        told: str | None = None
        # An `undo` that lay around since the last run would take back another answer than the one that was meant.
        left_by = self._timer.now() - timedelta(seconds=COMMAND_AGE_S)
        await self.thread.run(self._store.commands.give_up, left_by, text="The daemon was away; give the order again.")
        while True:
            try:
                for command in await self.thread.run(self._store.commands.waiting):
                    await self._run_command(command)
                if (self._timer.now() - self._beat_at).total_seconds() >= BEAT_S:
                    await self._write_state()
                await self.activate_adapter()
                told = None
            except CloneError as exc:
                if str(exc) != told:  # it may last, and this comes each second
                    log.warning("%s", exc)
                told = str(exc)
            except Exception:
                self._metrics.errors.labels("poll").inc()
                log.exception("polling failed")
            await self._timer.sleep(POLL_S)

    async def _run_command(self, command: Command) -> None:
        try:
            text, failed = await control.execute(command.verb, command.argument, self._context), False
        except CloneError as exc:
            text, failed = str(exc), True
        except Exception as exc:
            # Without an answer it would be tried again each second, and hold up all commands after it.
            log.exception("the command %r failed", command.verb)
            text, failed = f"The daemon failed ({type(exc).__name__}); its log says more.", True
        await self.thread.run(self._store.commands.answer, command.id, text, failed=failed)

    # What commands ask for

    async def review(self) -> None:
        """Judge anew what waits for an answer."""
        await self._responder.review()

    async def drop(self, chat_id: int, *, reason: str) -> None:
        """Stop what is under way in a chat."""
        await self._responder.drop(chat_id, reason=reason)

    async def delete(self, chat: Chat, message_ids: list[int]) -> None:
        """Delete messages for both sides."""
        await self._account.messenger.delete(chat, message_ids)

    async def find_dialog(self, text: str) -> Chat | None:
        """Look for a chat among the account's own, and store it; None where none fits, or several do."""
        wanted = text.strip().removeprefix("@").casefold()
        known = await self._account.dialogs() if wanted else []
        keyed = [chat for chat in known if wanted in (str(chat.id), (chat.username or "").casefold())]
        found = keyed or [chat for chat in known if chat.title.casefold() == wanted]
        if len(found) != 1:
            return None
        await self.thread.run(self._store.chats.save, found)
        return await self.thread.run(self._store.chats.get, found[0].id)

    async def retrain(self) -> str:
        """Begin to train; return what to tell the owner."""
        return await self._upkeep.retraining.order()

    async def cancel_training(self) -> str:
        """Stop the training that is under way; return what to tell the owner."""
        return await self._upkeep.retraining.cancel()

    async def pull(self, chats: Sequence[Chat]) -> str:
        """Begin to fetch the history of chats; return what to tell the owner."""
        return self._pulling.begin(chats)

    async def activate_adapter(self) -> str | None:
        """Take up the adapter that is now in service; a failure keeps the old one. Return the one that now writes."""
        manifest = await self.thread.run(self._shelf.active)
        if manifest is None or manifest.id in (self._generator.adapter_id, self._refused):
            return self._generator.adapter_id
        try:
            await self._generator.activate(manifest.id)
        except GeneratorUnavailableError as exc:
            log.debug("adapter %s is not taken up yet: %s", manifest.id, exc)
        except CloneError as exc:
            self._refused = manifest.id
            log.error("adapter %s can't be used, the old one stays: %s", manifest.id, exc)
        if self._generator.adapter_id == manifest.id:
            log.info("now writing with adapter %s", manifest.id)
        return self._generator.adapter_id

    async def _handle_saved_message(self, message: Message) -> None:
        if message.forwarded:
            await self._note_forwarded(message)
        command = control.parse_command(message)
        if command is None or not await self.thread.run(self._accept_command, message):
            return
        quoted = self._forwarded.get(message.reply_to_id or 0)
        answer = await control.answer(*command, replace(self._context, quoted=quoted))
        await self._account.messenger.notify_owner(answer)

    def _accept_command(self, message: Message) -> bool:
        """Accept each command once, and none that lay around while the daemon was away."""
        age_s = (self._timer.now() - message.sent_at).total_seconds()
        if age_s > COMMAND_AGE_S or message.id <= (self._store.facts.get(COMMAND_ID) or 0):
            return False
        self._store.facts.set(COMMAND_ID, message.id)
        return True

    async def _note_forwarded(self, message: Message) -> None:
        decision = await self.thread.run(self._store.replies.by_text, message.text)
        if decision is not None:
            self._forwarded[message.id] = decision
            while len(self._forwarded) > 100:
                del self._forwarded[next(iter(self._forwarded))]

    # State

    def _show_connection(self, state: ConnectionState) -> None:
        self._state, self._since = state.value, self._timer.now()
        self._metrics.state.state(state.value if state.value in STATES else "starting")
        log.info("Telegram: %s", state.value)
        self._write_state()

    async def _set_state(self, state: str) -> None:
        self._state = state
        await self._write_state()

    def _write_state(self) -> asyncio.Future[None]:
        self._beat_at = self._timer.now()
        return self.thread.start(write_state, self._store, self._state, since=self._since)

    def _read_health(self) -> tuple[bool, dict[str, Any]]:
        age_s = (self._timer.now() - self._beat_at).total_seconds()
        facts = {"state": self._state, "since": self._since.isoformat(), "beat_age_s": round(age_s, 1)}
        return self._state == ConnectionState.CONNECTED.value and age_s < 4 * BEAT_S, facts


def _pick_cause(group: BaseExceptionGroup[BaseException]) -> BaseException:
    """Return the error of a group that is worth telling: ours before others."""
    leaves: list[BaseException] = []
    stack: list[BaseException] = [group]
    while stack:
        exc = stack.pop()
        if isinstance(exc, BaseExceptionGroup):
            stack.extend(exc.exceptions)
        else:
            leaves.append(exc)
    return min(leaves, key=lambda exc: (not isinstance(exc, SessionLostError), not isinstance(exc, CloneError)))
