"""Deliver what was decided: in order, each bubble once, whatever breaks in between."""

from __future__ import annotations

import asyncio
import logging
from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime, timedelta

from userbot.domain.errors import FloodError, OfflineError, SessionLostError, SpamLimitError, TelegramError
from userbot.domain.messages import Chat
from userbot.domain.metrics import Metrics
from userbot.reply.messenger import Messenger
from userbot.reply.situation import write_pause
from userbot.reply.timer import Timer, sleep_until
from userbot.store import Store
from userbot.store.replies import OutboxItem
from userbot.store.thread import StoreThread

log = logging.getLogger(__name__)

TYPING_REFRESH_S = 4.0
SEND_TIMEOUT_S = 60.0
BACKOFF_MAX_S = 15.0
ERRORS_MAX = 8
SPAM_PAUSE = timedelta(days=1)


class Outbox:
    """Sends pending bubbles, one task per chat.

    A row is claimed before it is sent and marked after; a crash in between leaves it pending, and it is sent again with
    the same random id, which Telegram recognises. A flood wait stops all chats until it is over.

    Args:
        store: Holds the rows.
        thread: Runs the store's calls.
        messenger: Writes to Telegram.
        timer: Tells the time and waits.
        stale_s: Bubbles overdue for longer than this are cancelled, seconds.
        metrics: Counts.
    """

    def __init__(
        self, *, store: Store, thread: StoreThread, messenger: Messenger, timer: Timer, stale_s: float, metrics: Metrics
    ) -> None:
        self._store = store
        self._thread = thread
        self._messenger = messenger
        self._timer = timer
        self._stale = timedelta(seconds=stale_s)
        self._metrics = metrics
        self._tasks: dict[int, asyncio.Task[None]] = {}
        self._locks: defaultdict[int, asyncio.Lock] = defaultdict(asyncio.Lock)
        self._woken: set[int] = set()
        self._group: asyncio.TaskGroup | None = None
        self._blocked_until: datetime | None = None

    async def start(self, group: asyncio.TaskGroup) -> None:
        """Continue with what an earlier run left; tasks are made in `group`."""
        self._group = group
        for chat_id in {item.chat_id for item in await self._thread.run(self._store.replies.pending)}:
            self.wake(chat_id)

    def wake(self, chat_id: int) -> None:
        """Deliver a chat's pending bubbles, in a task of their own."""
        self._woken.add(chat_id)
        if self._group is not None and chat_id not in self._tasks:
            self._tasks[chat_id] = self._group.create_task(self._deliver(chat_id), name=f"outbox {chat_id}")

    def is_sending(self, chat_id: int) -> bool:
        """Tell whether a bubble of a chat is on its way right now, so that its echo may come before the answer."""
        return chat_id in self._locks and self._locks[chat_id].locked()

    async def wait_idle(self, chat_id: int) -> None:
        """Wait until no bubble of a chat is on its way."""
        async with self._locks[chat_id]:
            pass

    async def wait_sent(self, chat_id: int) -> None:
        """Wait until nothing of a chat is pending."""
        while (task := self._tasks.get(chat_id)) is not None:
            await asyncio.wait([task])

    async def cancel(self, chat_id: int, *, reason: str) -> int:
        """Cancel a chat's pending bubbles, after the one on its way; return how many."""
        async with self._locks[chat_id]:
            self._drop_task(chat_id)
            return await self._thread.run(self._cancel_rows, chat_id, reason)

    async def withdraw(self, chat_id: int, *, reason: str) -> bool:
        """Cancel a chat's pending reply if no bubble of it was tried yet; tell whether it was."""
        if self.is_sending(chat_id):
            return False
        async with self._locks[chat_id]:
            items = await self._thread.run(self._store.replies.pending, chat_id)
            if not items or items[0].part > 0 or items[0].attempts > 0:
                return False
            self._drop_task(chat_id)
            await self._thread.run(self._cancel_rows, chat_id, reason)
            return True

    async def drain(self) -> None:
        """Let the bubbles on their way arrive, and send no others."""
        self._group = None
        for chat_id in list(self._tasks):
            async with self._locks[chat_id]:
                self._drop_task(chat_id)

    def _drop_task(self, chat_id: int) -> None:
        task = self._tasks.pop(chat_id, None)
        if task is not None:
            task.cancel()

    def _cancel_rows(self, chat_id: int, reason: str) -> int:
        reply_ids = {item.reply_id for item in self._store.replies.pending(chat_id)}
        return sum(self._store.replies.cancel(reply_id, reason=reason) for reply_id in reply_ids)

    async def _deliver(self, chat_id: int) -> None:
        errors = 0
        try:
            while True:
                self._woken.discard(chat_id)
                try:
                    chat = await self._thread.run(self._store.chats.get, chat_id)
                    items = await self._thread.run(self._store.replies.pending, chat_id)
                    if chat is not None and items:
                        errors = await self._deliver_items(chat, items, errors)
                    elif chat_id not in self._woken:
                        return
                except SessionLostError:
                    raise
                except Exception:
                    # A full disk or a locked database must not end the daemon.
                    self._metrics.errors.labels("outbox").inc()
                    log.exception("the outbox of chat %s failed", chat_id)
                    await self._timer.sleep(BACKOFF_MAX_S)
        finally:
            # Without an await in between: a bubble decided from now on starts a new task.
            if self._tasks.get(chat_id) is asyncio.current_task():
                del self._tasks[chat_id]

    async def _deliver_items(self, chat: Chat, items: Sequence[OutboxItem], errors: int) -> int:
        """Deliver bubbles up to the first that fails; return how many tries in a row have failed."""
        for item in items:
            if self._timer.now() - item.due_at > self._stale:
                await self._thread.run(self._store.replies.cancel, item.reply_id, reason="too late to send")
                return errors
            try:
                await self._advance(chat, item)
                errors = 0
            except SessionLostError:
                raise
            except Exception as exc:
                await self._recover(item, exc, errors + 1)
                return errors + 1
        return errors

    async def _advance(self, chat: Chat, item: OutboxItem) -> None:
        await sleep_until(self._timer, item.typing_at)
        await self._wait_unblocked()
        if item.attempts == 0:
            await self._show_presence(chat, item)
        await self._wait_unblocked()
        async with self._locks[chat.id]:
            await self._send(chat, item)

    async def _show_presence(self, chat: Chat, item: OutboxItem) -> None:
        """Read what is answered, then type until the bubble is due; failing at either stops nothing."""
        try:
            if item.part == 0:
                await self._messenger.mark_read(chat, up_to_id=item.trigger_id)
            while (left_s := (item.due_at - self._timer.now()).total_seconds()) > 0:
                await self._messenger.show_typing(chat)
                await self._timer.sleep(min(left_s, TYPING_REFRESH_S))
        except FloodError as exc:
            if not exc.one_chat:
                self._block(exc.wait_s)
        except SessionLostError:
            raise
        except TelegramError as exc:
            log.debug("no typing action in chat %s: %s", chat.id, type(exc).__name__)
        await sleep_until(self._timer, item.due_at)

    async def _send(self, chat: Chat, item: OutboxItem) -> None:
        if not await self._thread.run(self._store.replies.claim, item.id):
            return
        try:
            async with asyncio.timeout(SEND_TIMEOUT_S):
                message = await self._messenger.send(
                    chat, item.text, random_id=item.random_id, reply_to_id=item.reply_to_id
                )
        except TimeoutError as exc:
            raise OfflineError(f"Telegram did not answer within {SEND_TIMEOUT_S:g} s.") from exc
        await self._thread.run(self._store.replies.mark_sent, item, message)
        self._metrics.sent.inc()
        log.info("sent bubble %d of reply %d to chat %s", item.part + 1, item.reply_id, chat.id)

    async def _recover(self, item: OutboxItem, exc: Exception, errors: int) -> None:
        if isinstance(exc, SpamLimitError):
            await self._stop_writing(item, exc)
        elif isinstance(exc, FloodError) and exc.one_chat:
            await self._timer.sleep(exc.wait_s)
        elif isinstance(exc, FloodError):
            self._block(exc.wait_s)
        elif isinstance(exc, OfflineError):
            await self._timer.sleep(min(2.0 ** (errors - 1), BACKOFF_MAX_S))
        elif isinstance(exc, TelegramError) or errors >= ERRORS_MAX:
            log.warning("reply %d to chat %s failed: %s", item.reply_id, item.chat_id, exc)
            await self._thread.run(self._store.replies.fail, item.reply_id, reason=_describe(exc))
        else:
            self._metrics.errors.labels("outbox").inc()
            log.error("sending to chat %s failed unexpectedly", item.chat_id, exc_info=exc)
            await self._timer.sleep(min(2.0 ** (errors - 1), BACKOFF_MAX_S))

    async def _stop_writing(self, item: OutboxItem, exc: SpamLimitError) -> None:
        """Pause all chats for a day: an account that keeps writing now is lost."""
        log.error("all chats are paused for a day: %s", exc)
        await self._thread.run(write_pause, self._store, self._timer.now() + SPAM_PAUSE)
        await self._thread.run(self._store.replies.fail, item.reply_id, reason=str(exc))
        try:
            await self._messenger.notify_owner(f"All chats are paused for a day. {exc}")
        except SessionLostError:
            raise
        except TelegramError as failure:
            log.warning("the owner could not be notified: %s", failure)

    def _block(self, wait_s: float) -> None:
        until = self._timer.now() + timedelta(seconds=wait_s)
        if self._blocked_until is None or until > self._blocked_until:
            self._blocked_until = until
            self._metrics.flood_s.inc(wait_s)
            log.warning("Telegram asks for a pause of %g s; nothing is sent until then", wait_s)

    async def _wait_unblocked(self) -> None:
        while self._blocked_until is not None and self._blocked_until > self._timer.now():
            await sleep_until(self._timer, self._blocked_until)


def _describe(exc: Exception) -> str:
    return str(exc) if isinstance(exc, TelegramError) else type(exc).__name__
