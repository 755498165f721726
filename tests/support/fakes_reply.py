"""Fakes of the reply path: a timer that moves when told, a messenger that remembers, a scripted generator."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from random import Random
from typing import Any

from fakes import FakeClock

from userbot.config.settings import Settings
from userbot.daemon.wiring import make_reply_config
from userbot.domain.errors import AdapterError, TelegramError
from userbot.domain.events import Arrived, Event
from userbot.domain.messages import Chat, Message, Origin, Reply
from userbot.domain.metrics import Metrics
from userbot.domain.prompt_rules import DEFAULT_RULES, PromptRules
from userbot.generator import Generator, Prompt
from userbot.reply.answering import Answering, ReplyConfig
from userbot.reply.guard import PrivacyCheck, PrivacyFinding
from userbot.reply.outbox import Outbox
from userbot.reply.policy import PolicyInput
from userbot.reply.responder import Responder
from userbot.store import Store
from userbot.store.thread import StoreThread
from userbot.trust.opt_out import OptOuts


class FakeTimer:
    """Sleeps end only when the clock is moved past them."""

    def __init__(self, clock: FakeClock) -> None:
        self._clock = clock
        self._sleepers: list[tuple[datetime, asyncio.Future[None]]] = []

    def now(self) -> datetime:
        return self._clock()

    async def sleep(self, seconds: float) -> None:
        if seconds <= 0:
            return
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._sleepers.append((self._clock() + timedelta(seconds=seconds), done))
        await done

    def wake_next(self, limit: datetime) -> bool:
        """Move the clock to the next sleeper's time and wake it; False where none is due by `limit`."""
        self._sleepers = [one for one in self._sleepers if not one[1].done()]
        due = [one for one in self._sleepers if one[0] <= limit]
        if not due:
            self._clock.now = limit
            return False
        at, done = min(due, key=lambda one: one[0])
        self._clock.now = max(at, self._clock.now)
        done.set_result(None)
        return True


class FakeMessenger:
    """Delivers into a list, once per random id; `faults` are raised by the next calls of `send`."""

    def __init__(self, clock: FakeClock) -> None:
        self._clock = clock
        self.sent: list[tuple[int, str]] = []
        self.quotes: list[int | None] = []
        self.acts: list[tuple[str, int]] = []
        self.drafts: dict[int, str] = {}
        self._own_drafts: dict[int, str] = {}
        self.deleted: list[int] = []
        self.notified: list[str] = []
        self.faults: list[Exception] = []
        self.on_send: Callable[[Chat, str], None] | None = None
        self.gate: asyncio.Event | None = None
        self.notice_gate: asyncio.Event | None = None
        self._by_random_id: dict[int, Message] = {}
        self._next_id = 1000

    async def send(self, chat: Chat, text: str, *, random_id: int, reply_to_id: int | None = None) -> Message:
        if self.faults:
            raise self.faults.pop(0)
        if random_id not in self._by_random_id:
            self._next_id += 1
            self._by_random_id[random_id] = Message(
                chat_id=chat.id,
                id=self._next_id,
                origin=Origin.CLONE,
                sent_at=self._clock(),
                text=text.strip(),
                reply_to_id=reply_to_id,
            )
            self.sent.append((chat.id, text))
            self.quotes.append(reply_to_id)
            self.acts.append(("send", chat.id))
        if self.gate is not None:
            await self.gate.wait()
        return self._by_random_id[random_id]

    async def show_typing(self, chat: Chat) -> None:
        self.acts.append(("typing", chat.id))

    async def mark_read(self, chat: Chat, *, up_to_id: int) -> None:
        self.acts.append(("read", chat.id))

    async def save_draft(self, chat: Chat, text: str) -> bool:
        if self.drafts.get(chat.id, "") != self._own_drafts.get(chat.id, ""):
            return False
        self.drafts[chat.id] = self._own_drafts[chat.id] = text
        return True

    async def delete(self, chat: Chat, message_ids: Sequence[int]) -> None:
        self.deleted += message_ids

    async def notify_owner(self, text: str) -> None:
        if self.notice_gate is not None:
            await self.notice_gate.wait()
        self.notified.append(text)

    async def send_picture_to_owner(self, picture: Path, caption: str) -> None:
        self.notified.append(caption)


class ScriptedGenerator:
    """Answers each prompt with the next scripted reply, or with an echo of the last bubble.

    `gate`, where set, holds every generation until it is opened.
    """

    def __init__(self, *script: Reply | Exception | str, gate: asyncio.Event | None = None) -> None:
        self.script = list(script)
        self.gate = gate
        self.prompts: list[Prompt] = []
        self.cancelled = 0
        self.rules_by_adapter: dict[str | None, PromptRules] = {}
        self._adapter_id: str | None = "a1"

    @property
    def adapter_id(self) -> str | None:
        return self._adapter_id

    @property
    def rules(self) -> PromptRules:
        return self.rules_by_adapter.get(self._adapter_id, DEFAULT_RULES)

    async def generate(self, prompt: Prompt) -> Reply:
        self.prompts.append(prompt)
        if self.gate is not None:
            try:
                await self.gate.wait()
            except asyncio.CancelledError:
                self.cancelled += 1
                raise
        step = self.script.pop(0) if self.script else f"re: {prompt.turns[-1].bubbles[-1]}"
        if isinstance(step, Exception):
            raise step
        if isinstance(step, str):
            return Reply(bubbles=tuple(step.split("|")), adapter_id=self._adapter_id)
        return step

    async def activate(self, adapter_id: str | None) -> None:
        if adapter_id == "missing":
            raise AdapterError("There is no adapter of that name.")
        self._adapter_id = adapter_id

    async def close(self) -> None:
        pass


class FakePrivacyCheck:
    """Finds each of its words in a reply, and says which kind that is."""

    def __init__(self, **kinds: str) -> None:
        self.kinds = kinds
        self.ready = True

    def is_ready(self) -> bool:
        return self.ready

    def inspect(self, reply: Reply, situation: PolicyInput) -> PrivacyFinding | None:
        text = " ".join(reply.bubbles)
        return next((PrivacyFinding(kind) for word, kind in self.kinds.items() if word in text), None)


def reply_config(*, zone: str | None = None, **settings: Any) -> ReplyConfig:
    """Make the configuration of the reply path from its settings, each the default unless given."""
    return make_reply_config(Settings.model_validate({"zone": zone, "reply": settings}))


def contact_says(message_id: int, text: str, clock: FakeClock, chat_id: int = 101) -> Message:
    """Make a message of the contact, sent now."""
    return Message(chat_id=chat_id, id=message_id, origin=Origin.CONTACT, sent_at=clock(), text=text)


def owner_says(message_id: int, text: str, clock: FakeClock, chat_id: int = 101) -> Message:
    """Make a message of the owner from another device, sent now."""
    return Message(chat_id=chat_id, id=message_id, origin=Origin.OWNER, sent_at=clock(), text=text)


CONFIRMED = "No bot from now on."
INSTANT = reply_config(pace=0)
PACED = reply_config()


@dataclass
class Core:
    """The reply path on fakes; use it with `async with`."""

    store: Store
    clock: FakeClock
    generator: Generator = field(default_factory=ScriptedGenerator)
    config: ReplyConfig = INSTANT
    privacy: PrivacyCheck | None = None
    failures: list[BaseException] = field(default_factory=list)

    async def __aenter__(self) -> Core:
        self.timer = FakeTimer(self.clock)
        self.messenger = FakeMessenger(self.clock)
        self.thread = StoreThread()
        self.events: asyncio.Queue[Event] = asyncio.Queue()
        self.saved: list[Message] = []
        self.typed: list[bool] = []
        metrics = Metrics()
        self.outbox = Outbox(
            store=self.store,
            thread=self.thread,
            messenger=self.messenger,
            timer=self.timer,
            stale_s=self.config.rules.stale_s,
            metrics=metrics,
        )
        self.answering = Answering(
            store=self.store,
            thread=self.thread,
            messenger=self.messenger,
            generator=self.generator,
            outbox=self.outbox,
            config=self.config,
            timer=self.timer,
            random=Random(1),  # noqa: S311  # jitter, no secret
            metrics=metrics,
            privacy=self.privacy,
        )
        self.responder = Responder(
            store=self.store,
            thread=self.thread,
            answering=self.answering,
            outbox=self.outbox,
            config=self.config,
            timer=self.timer,
            metrics=metrics,
            on_saved=self._save,
            opt_outs=OptOuts(self.store, confirmation=CONFIRMED),
        )
        self._task = asyncio.create_task(self._run())
        await self.settle()
        return self

    async def __aexit__(self, *_: object) -> None:
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)
        self.thread.close()

    async def _run(self) -> None:
        try:
            async with asyncio.TaskGroup() as group:
                await self.outbox.start(group)
                await self.responder.run(self.events, group)
        except* TelegramError as caught:
            self.failures += caught.exceptions

    async def _save(self, message: Message, *, typed: bool) -> None:
        self.saved.append(message)
        self.typed.append(typed)

    async def settle(self) -> None:
        """Let everything happen that can happen without time passing."""
        for _ in range(12):
            await asyncio.sleep(0)
            await self.thread.run(int)

    async def advance(self, seconds: float) -> None:
        """Let time pass, waking sleepers one by one in order."""
        limit = self.clock.now + timedelta(seconds=seconds)
        while self.timer.wake_next(limit):
            await self.settle()
        await self.settle()

    async def receive(
        self, chat: Chat, *messages: Message, mentions_owner: bool = False, automatic: bool = False
    ) -> None:
        for message in messages:
            arrived = Arrived(chat=chat, message=message, mentions_owner=mentions_owner, automatic=automatic)
            self.events.put_nowait(arrived)
        await self.settle()

    async def emit(self, event: Event) -> None:
        self.events.put_nowait(event)
        await self.settle()
