"""The reply path as a whole: the only place that knows the order of its steps.

One loop takes events in order and stores them; one task per chat waits for the end of the burst and then answers it. A
new bubble, an edit, a deletion or the owner cancels that task, and it starts over from the store. The outbox delivers.
"""

from __future__ import annotations

import asyncio
import logging
from datetime import datetime, timedelta
from functools import partial
from typing import Protocol

from userbot.domain.errors import SessionLostError
from userbot.domain.events import Arrived, ContactTyping, Deleted, Edited, Event, OwnerActive, OwnerOnline, Renamed
from userbot.domain.messages import ChatKind, Message, Origin
from userbot.domain.metrics import Metrics
from userbot.reply.answering import FAILURE_RETRY_S, Answering, ReplyConfig
from userbot.reply.conversation import Conversation
from userbot.reply.debounce import Debounce
from userbot.reply.echo import may_be_on_its_way
from userbot.reply.intake import Intake, store_deletion, store_edit, store_message, store_name
from userbot.reply.outbox import Outbox
from userbot.reply.pacing import derive_random_id
from userbot.reply.takeover import Takeover
from userbot.reply.timer import Timer, sleep_until
from userbot.store import Store
from userbot.store.thread import StoreThread
from userbot.trust.opt_out import REASON, OptOuts

log = logging.getLogger(__name__)

OPT_OUT_PART = 10**6
"""Part of a reply that the confirmation of an opt-out counts as."""

HANDLER_TIMEOUT_S = 120.0
"""Handling an event takes milliseconds; one that hangs must not keep the daemon from the next."""


class OnSaved(Protocol):
    """Takes the messages of Saved Messages; `userbot.daemon.owner_commands` does."""

    async def __call__(self, message: Message, *, typed: bool) -> None:
        """Take one.

        Args:
            message: As it arrived.
            typed: The owner typed it just now, as plain text.
        """
        ...


class Responder:
    """Turns events into decisions.

    Args:
        store: Holds all state that must survive a restart.
        thread: Runs the store's calls.
        answering: Decides about one burst.
        outbox: Delivers.
        config: How long to wait.
        timer: Tells the time and waits.
        metrics: Counts.
        on_saved: Gets each message of the owner's in Saved Messages.
        opt_outs: Follows contacts who ask for no bot; None follows nobody.
    """

    def __init__(
        self,
        *,
        store: Store,
        thread: StoreThread,
        answering: Answering,
        outbox: Outbox,
        config: ReplyConfig,
        timer: Timer,
        metrics: Metrics,
        on_saved: OnSaved | None = None,
        opt_outs: OptOuts | None = None,
    ) -> None:
        self._store = store
        self._thread = thread
        self._answering = answering
        self._outbox = outbox
        self._config = config
        self._timer = timer
        self._metrics = metrics
        self._on_saved = on_saved
        self._opt_outs = opt_outs
        self._takeover = Takeover(
            store=store, thread=thread, outbox=outbox, timer=timer, pause_s=config.takeover_s, metrics=metrics
        )
        self._conversations: dict[int, Conversation] = {}
        self._group: asyncio.TaskGroup | None = None

    async def run(self, events: asyncio.Queue[Event], group: asyncio.TaskGroup) -> None:
        """Handle events in order; never returns. An event that fails is logged, and the next one is handled.

        Args:
            events: What happens on Telegram.
            group: Owns the tasks of the chats.

        Raises:
            SessionLostError: The session is of no use any more.
        """
        self._group = group
        await self.review()
        while True:
            event = await events.get()
            self._metrics.queue.set(events.qsize())
            try:
                async with asyncio.timeout(HANDLER_TIMEOUT_S):
                    await self._handle(event, group)
            except SessionLostError:
                raise
            except Exception:
                self._metrics.errors.labels("event").inc()
                log.exception("an event of kind %s failed", type(event).__name__)

    async def review(self) -> None:
        """Start tasks for all bursts without an answer, as after a start or when the owner allows a chat."""
        for chat in await self._thread.run(self._store.chats.allowed):
            conversation = self._conversation(chat.id)
            situation = await self._answering.read_situation(conversation)
            # The daemon may have died between storing a wish for no bot and following it.
            if situation is not None and not [m for m in situation.burst if await self._follow_opt_out(m)]:
                conversation.debounce.add_bubble(situation.burst[-1].sent_at)
                self._restart(conversation)

    async def drop(self, chat_id: int, *, reason: str) -> None:
        """Stop what is under way in a chat: the answer being written, and the bubbles that are not sent yet."""
        self._conversation(chat_id).stop()
        await self._outbox.cancel(chat_id, reason=reason)

    def stop(self) -> None:
        """Stop writing answers; the next start continues from the store."""
        self._group = None
        for conversation in self._conversations.values():
            conversation.stop()

    async def _handle(self, event: Event, group: asyncio.TaskGroup) -> None:
        match event:
            case Arrived(chat=chat, message=message) if chat.kind is ChatKind.SAVED:
                if self._on_saved is not None and message.origin is Origin.OWNER:
                    await self._on_saved(message, typed=event.typed and not event.automatic)
            case Arrived(chat=chat, message=message):
                if may_be_on_its_way(message, sending=self._outbox.is_sending(chat.id)):
                    group.create_task(self._store_message_later(event))
                else:
                    await self._store_message(event)
            case Edited(message=message):
                if await self._thread.run(store_edit, self._store, event) and not await self._follow_opt_out(message):
                    self._restart_debounce(message.chat_id)
            case Deleted():
                for chat_id in await self._thread.run(store_deletion, self._store, event):
                    self._restart_debounce(chat_id)
            case Renamed():
                await self._thread.run(store_name, self._store, event)
            case ContactTyping(chat_id=chat_id):
                if chat_id in self._conversations:
                    self._conversations[chat_id].debounce.add_typing(self._timer.now())
            case OwnerActive(chat_id=chat_id):
                if await self._takeover.after_activity(event):
                    self._restart(self._conversation(chat_id))
            case OwnerOnline(online=online):
                self._answering.owner_seen_at = None if online else self._timer.now()

    async def _store_message(self, event: Arrived) -> None:
        pause = timedelta(seconds=self._config.takeover_s)
        intake = await self._thread.run(store_message, self._store, event, pause=pause)
        match intake:
            case Intake.IGNORED:
                self._metrics.ignored.inc()
            case Intake.CONTACT:
                self._metrics.messages.labels(intake.value).inc()
                # A message of invisible characters says nothing, and puts no answer off.
                if event.message.content.strip() and not await self._follow_opt_out(event.message):
                    await self._handle_contact_message(event)
            case Intake.OWNER:
                self._metrics.messages.labels(intake.value).inc()
                await self._takeover.after_message(event.message)
                self._restart(self._conversation(event.chat.id))

    async def _follow_opt_out(self, message: Message) -> bool:
        """Turn answers off where a contact asks for no bot, the one being written too; tell whether they ask."""
        if self._opt_outs is None or not await self._thread.run(self._opt_outs.concern, message):
            return False
        conversation = self._conversation(message.chat_id)
        conversation.stop()
        await self._outbox.cancel(message.chat_id, reason=REASON)
        # Not the id of a reply's bubble, as the burst may have been answered before it was edited.
        random_id = derive_random_id(message.chat_id, message.id, OPT_OUT_PART)
        taken = await self._thread.run(partial(self._opt_outs.take, message, random_id=random_id))
        if taken is None:
            return False
        self._outbox.wake(message.chat_id)
        log.info("chat %s: %s", message.chat_id, REASON)
        await self._answering.notices.notify_owner(taken.notice)
        self._restart(conversation)  # the others of a group may be waiting
        return True

    async def _store_message_later(self, event: Arrived) -> None:
        """Store a message when the sending in its chat is over; see the table in `userbot.reply.echo`."""
        await self._outbox.wait_idle(event.chat.id)
        try:
            await self._store_message(event)
        except Exception:
            self._metrics.errors.labels("event").inc()
            log.exception("a message of the owner's side failed")

    async def _handle_contact_message(self, event: Arrived) -> None:
        now = self._timer.now()
        conversation = self._conversation(event.chat.id)
        if event.mentions_owner:
            conversation.addressed_ids.append(event.message.id)
        conversation.stop()
        began_at, conversation.began_at = conversation.began_at, None
        ceiling = timedelta(seconds=self._config.burst_max_s)
        # The reply to the burst so far may not have been sent yet.
        if (
            began_at is not None
            and now - began_at < ceiling
            and await self._outbox.withdraw(conversation.chat_id, reason="the contact wrote more")
        ):
            conversation.debounce.reopen(began_at)
        conversation.debounce.add_bubble(now)
        self._restart(conversation)

    def _restart_debounce(self, chat_id: int) -> None:
        conversation = self._conversations.get(chat_id)
        if conversation is not None and conversation.task is not None:
            conversation.debounce.add_bubble(self._timer.now())
            self._restart(conversation)

    def _conversation(self, chat_id: int) -> Conversation:
        if chat_id not in self._conversations:
            debounce = Debounce(quiet_s=self._config.quiet_s, burst_max_s=self._config.burst_max_s)
            self._conversations[chat_id] = Conversation(chat_id, debounce)
        return self._conversations[chat_id]

    def _restart(self, conversation: Conversation) -> None:
        conversation.stop()
        if self._group is not None:
            conversation.task = self._group.create_task(
                self._converse(conversation), name=f"chat {conversation.chat_id}"
            )

    async def _converse(self, conversation: Conversation) -> None:
        retry_at: datetime | None = self._timer.now()
        while retry_at is not None:
            await sleep_until(self._timer, retry_at)
            try:
                # Typing postpones the end while this waits, so it is read again each time.
                while (due_at := conversation.debounce.due_at) is not None and due_at > self._timer.now():
                    await sleep_until(self._timer, due_at)
                await self._outbox.wait_sent(conversation.chat_id)
                retry_at = await self._answering.answer(conversation)
                if retry_at is None and await self._answering.has_other_topic(conversation):
                    retry_at = self._timer.now()
            except SessionLostError:
                raise
            except Exception:
                # A full disk or a locked database is temporary; what is too old by then is not answered any more.
                self._metrics.errors.labels("chat").inc()
                log.exception(
                    "answering in chat %s failed; the next try is in %g s", conversation.chat_id, FAILURE_RETRY_S
                )
                retry_at = self._timer.now() + timedelta(seconds=FAILURE_RETRY_S)
        if conversation.task is asyncio.current_task():
            conversation.task = None
