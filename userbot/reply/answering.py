"""From what waits in a chat to a decision: judge, build the prompt, write, check, pace, commit."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import partial
from random import Random

from userbot.domain.errors import (
    FloodError,
    GeneratorError,
    GeneratorUnavailableError,
    OfflineError,
    SessionLostError,
    TelegramError,
)
from userbot.domain.messages import ChatKind, Message, Mode, Origin, Reply
from userbot.domain.metrics import Metrics
from userbot.generator import Generator
from userbot.reply.budget import Budget
from userbot.reply.context import Context, build_context, last_own_text
from userbot.reply.conversation import Conversation
from userbot.reply.guard import Check, PrivacyCheck, PrivacyFinding
from userbot.reply.messenger import Messenger
from userbot.reply.notices import Notices
from userbot.reply.outbox import Outbox
from userbot.reply.pacing import Habits, Pace, learn_habits, plan_bubbles
from userbot.reply.policy import PolicyInput, Rules, Ruling, Verdict, judge
from userbot.reply.quoting import pick_quotes
from userbot.reply.situation import note_own_draft, read_situation
from userbot.reply.timer import Timer
from userbot.reply.withholding import withhold
from userbot.reply.writing import Written, write_reply
from userbot.store import Store
from userbot.store.replies import Bubble, Decision, ReplyState
from userbot.store.thread import StoreThread

log = logging.getLogger(__name__)

UNAVAILABLE_RETRY_S = 15.0
NOT_INDEXED = "the disclosure index does not hold all messages yet"
FAILURE_RETRY_S = 60.0
SPENT_RETRY_S = 300.0
HABITS_HOLD = timedelta(hours=6)
HABITS_MESSAGES = 300


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplyConfig:
    """How the clone answers. The defaults stand in the settings (`ReplySettings`), and nowhere else.

    Args:
        quiet_s: Silence that ends a burst, seconds.
        burst_max_s: Longest wait for a burst, seconds.
        takeover_s: Pause of a chat after the owner was active there, seconds.
        context_messages: Newest messages that the model may see.
        rules: Limits.
        pace: Speed.
        introduction: What the first automatic answer in a chat begins with; None for nothing.
        findings_until_draft: Replies withheld in a day after which a chat gets drafts only; 0 is never.
    """

    quiet_s: float
    burst_max_s: float
    takeover_s: float
    context_messages: int
    rules: Rules
    pace: Pace
    findings_until_draft: int
    introduction: str | None = None


class Answering:
    """Decides about one burst at a time. Until the decision is committed, nobody sees anything.

    Args:
        store: Holds all state that must survive a restart.
        thread: Runs the store's calls.
        messenger: Saves drafts; everything else goes through the outbox.
        generator: Writes replies.
        outbox: Delivers.
        config: How to answer.
        timer: Tells the time.
        random: Jitter.
        metrics: Counts.
        checks: Further checks on each reply, after those on quality.
        privacy: Looks for what must stay private; None looks for nothing.
    """

    def __init__(
        self,
        *,
        store: Store,
        thread: StoreThread,
        messenger: Messenger,
        generator: Generator,
        outbox: Outbox,
        config: ReplyConfig,
        timer: Timer,
        random: Random,
        metrics: Metrics,
        checks: Sequence[Check] = (),
        privacy: PrivacyCheck | None = None,
    ) -> None:
        self._store = store
        self._thread = thread
        self._messenger = messenger
        self._generator = generator
        self._outbox = outbox
        self._config = config
        self._timer = timer
        self._random = random
        self._metrics = metrics
        self._checks = checks
        self._privacy = privacy
        self.notices = Notices(messenger)
        # When the owner was last online is not known at first, so they count as seen just now.
        self.owner_seen_at: datetime | None = timer.now()

    async def read_situation(self, conversation: Conversation) -> PolicyInput | None:
        """Return how things stand in a chat; None where nothing waits for an answer."""
        return await self._thread.run(
            read_situation,
            self._store,
            conversation.chat_id,
            limit=self._config.context_messages,
            owner_seen_at=self.owner_seen_at,
            addressed_ids=tuple(conversation.addressed_ids),
        )

    async def has_other_topic(self, conversation: Conversation) -> bool:
        """Tell whether another topic of a forum waits, after what was decided last."""
        situation = await self.read_situation(conversation)
        if situation is None or situation.chat.kind is not ChatKind.GROUP:
            return False
        decided = await self._thread.run(self._store.replies.newest, conversation.chat_id)
        # A burst that was held stays the first in line, and must not be judged again and again.
        return bool(decided) and decided[0].trigger_id != situation.burst[-1].id

    async def answer(self, conversation: Conversation) -> datetime | None:
        """Decide about what waits in a chat.

        Returns:
            When to try again; None when trying again is of no use.

        Raises:
            SessionLostError: The session is of no use any more.
        """
        began_at = conversation.debounce.started_at or self._timer.now()
        conversation.debounce.reset()
        situation = await self.read_situation(conversation)
        if situation is None:
            return None
        verdict = await self._judge(situation)
        if verdict.ruling is not Ruling.ANSWER:
            return await self._turn_down(conversation, situation, verdict)
        window = [message for message in situation.window if not self._is_introduction(message)]
        context = build_context(situation.chat, window, situation.burst, rules=self._generator.rules)
        try:
            written = await self._write(situation, context)
        except GeneratorError as exc:
            wait_s = UNAVAILABLE_RETRY_S if isinstance(exc, GeneratorUnavailableError) else FAILURE_RETRY_S
            retry_at = self._timer.now() + timedelta(seconds=wait_s)
            return await self._turn_down(conversation, situation, Verdict(Ruling.HOLD, str(exc), retry_at))
        if written.finding is not None:
            # A contact who writes on cancels this task; the record must be whole all the same.
            await asyncio.shield(
                self._withhold(situation, self._describe(situation, context.message_ids, written), written)
            )
            return None
        if written.spent is not None:
            retry_at = self._timer.now() + timedelta(seconds=SPENT_RETRY_S)
            return await self._turn_down(conversation, situation, Verdict(Ruling.HOLD, written.spent, retry_at))
        if written.reply is None:
            return await self._turn_down(
                conversation, situation, Verdict(Ruling.HOLD, f"not fit to send: {written.problem}")
            )
        decision = self._describe(situation, context.message_ids, written)
        if situation.chat.mode is Mode.DRAFT:
            return await self._draft(conversation, situation, decision, written.reply.bubbles)
        conversation.began_at = began_at
        await self._queue(conversation, situation, decision, written.reply.bubbles)
        return None

    async def _judge(self, situation: PolicyInput) -> Verdict:
        verdict = judge(situation, self._config.rules, self._timer.now())
        if verdict.ruling is not Ruling.ANSWER or self._privacy is None:
            return verdict
        if await self._thread.run(self._privacy.is_ready):
            return verdict
        return Verdict(Ruling.HOLD, NOT_INDEXED, self._timer.now() + timedelta(seconds=UNAVAILABLE_RETRY_S))

    async def _write(self, situation: PolicyInput, context: Context) -> Written:
        return await write_reply(
            self._generator,
            context.prompt,
            last_own=last_own_text(situation.window),
            checks=self._checks,
            metrics=self._metrics,
            privacy=partial(self._look_for_secrets, situation),
            budget=Budget(self._store, self._thread, chat_id=situation.chat.id, rules=self._config.rules),
        )

    async def _turn_down(self, conversation: Conversation, situation: PolicyInput, verdict: Verdict) -> datetime | None:
        held = verdict.ruling is Ruling.HOLD
        decision = Decision(
            chat_id=conversation.chat_id,
            trigger_id=situation.burst[-1].id,
            state=ReplyState.HELD if held else ReplyState.REFUSED,
            reason=verdict.reason,
            context_ids=tuple(message.id for message in situation.burst),
        )
        await self._decide(decision)
        if not held or verdict.retry_at is None:
            return None
        stale_at = situation.burst[-1].sent_at + timedelta(seconds=self._config.rules.stale_s + 1)
        return max(min(verdict.retry_at, stale_at), self._timer.now() + timedelta(seconds=1))

    async def _look_for_secrets(self, situation: PolicyInput, reply: Reply) -> PrivacyFinding | None:
        if self._privacy is None:
            return None
        with self._metrics.guard_s.time():
            return await self._thread.run(self._privacy.inspect, reply, situation)

    async def _withhold(self, situation: PolicyInput, decision: Decision, written: Written) -> None:
        stopped = await self._thread.run(
            withhold, self._store, decision, written, until_draft=self._config.findings_until_draft
        )
        if stopped is not None:
            self._note(stopped.decision)
            self._metrics.withheld.labels(stopped.kind).inc()
            await self.notices.notify_owner(stopped.describe(situation.chat))

    async def _draft(
        self, conversation: Conversation, situation: PolicyInput, decision: Decision, texts: Sequence[str]
    ) -> datetime | None:
        state, reason, text = ReplyState.DRAFTED, None, "\n".join(texts)
        try:
            if await self._messenger.save_draft(situation.chat, text):
                await self._thread.run(note_own_draft, self._store, conversation.chat_id, text)
            else:
                state, reason = ReplyState.REFUSED, "the owner has a draft there"
        except SessionLostError:
            raise
        except (OfflineError, FloodError) as exc:
            wait_s = exc.wait_s if isinstance(exc, FloodError) else UNAVAILABLE_RETRY_S
            retry_at = self._timer.now() + timedelta(seconds=wait_s)
            return await self._turn_down(conversation, situation, Verdict(Ruling.HOLD, str(exc), retry_at))
        except TelegramError as exc:
            state, reason = ReplyState.FAILED, str(exc)
        await self._decide(replace(decision, state=state, reason=reason))
        return None

    def _is_introduction(self, message: Message) -> bool:
        """Tell whether a message is the line that introduces the clone, which nobody said and no model is to see."""
        return message.origin is Origin.CLONE and message.text == self._config.introduction

    async def _introduce(self, chat_id: int, texts: Sequence[str]) -> Sequence[str]:
        """Put the line that introduces the clone before the first answer in a chat; others stay as they are."""
        line = self._config.introduction
        if line is None or await self._thread.run(self._store.replies.has_said, chat_id, line):
            return texts
        return (line, *texts)

    async def _queue(
        self, conversation: Conversation, situation: PolicyInput, decision: Decision, texts: Sequence[str]
    ) -> None:
        texts = await self._introduce(conversation.chat_id, texts)
        bubbles = plan_bubbles(
            texts,
            situation.burst,
            habits=await self._habits(conversation),
            pace=self._config.pace,
            now=self._timer.now(),
            random=self._random,
            reply_to_ids=pick_quotes(situation.chat, situation.burst, len(texts)),
        )
        if await self._decide(decision, bubbles) is not None:
            self._outbox.wake(conversation.chat_id)

    async def _decide(self, decision: Decision, bubbles: Sequence[Bubble] = ()) -> Decision | None:
        stored = await self._thread.run(self._store.replies.decide, decision, bubbles)
        if stored is not None:
            self._note(stored)
        return stored

    def _note(self, stored: Decision) -> None:
        self._metrics.decisions.labels(stored.state.value).inc()
        log.info("chat %s: %s%s", stored.chat_id, stored.state, f", {stored.reason}" if stored.reason else "")

    async def _habits(self, conversation: Conversation) -> Habits:
        now = self._timer.now()
        if conversation.habits is None or conversation.habits_at is None or now - conversation.habits_at > HABITS_HOLD:
            history = await self._thread.run(self._store.messages.window, conversation.chat_id, limit=HABITS_MESSAGES)
            conversation.habits, conversation.habits_at = learn_habits(history, self._config.pace), now
        return conversation.habits

    def _describe(self, situation: PolicyInput, context_ids: tuple[int, ...], written: Written) -> Decision:
        waited_s = (self._timer.now() - situation.burst[-1].sent_at).total_seconds()
        return Decision(
            chat_id=situation.chat.id,
            trigger_id=situation.burst[-1].id,
            state=ReplyState.QUEUED,
            reason=None,
            adapter_id=written.reply.adapter_id if written.reply else None,
            context_ids=context_ids,
            timings={
                "since_trigger_s": round(waited_s, 3),
                "generation_s": round(written.seconds, 3),
                "tries": written.tries,
            },
        )
