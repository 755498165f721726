"""What was decided for a burst, as values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class ReplyState(StrEnum):
    """What became of a burst."""

    QUEUED = "queued"
    SENT = "sent"
    DRAFTED = "drafted"
    HELD = "held"
    WITHHELD = "withheld"
    REFUSED = "refused"
    CANCELLED = "cancelled"
    UNDONE = "undone"
    FAILED = "failed"


class OutboxState(StrEnum):
    """What became of one bubble."""

    PENDING = "pending"
    SENT = "sent"
    CANCELLED = "cancelled"
    FAILED = "failed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """What was decided for one burst.

    Args:
        chat_id: Chat of the burst.
        trigger_id: Its newest message.
        state: `queued` comes with bubbles, the others without; `held` may be decided again, the others not.
        reason: Why it was held, withheld, refused or cancelled; holds no words of a message.
        adapter_id: Adapter that wrote the reply.
        context_ids: Messages that the model saw.
        timings: Seconds by step, and `tries`, the number of generations.
        id: Set by the store.
        created_at: Set by the store.
    """

    chat_id: int
    trigger_id: int
    state: ReplyState
    reason: str | None = None
    adapter_id: str | None = None
    context_ids: tuple[int, ...] = ()
    timings: Mapping[str, float] | None = None
    id: int = 0
    created_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class OutboxItem:
    """One bubble to deliver.

    Args:
        id: Set by the store.
        reply_id: Decision that it belongs to.
        chat_id: Where to send it.
        part: Its place in the reply, from 0.
        text: What to send.
        random_id: Telegram delivers one message per value, however often it is sent.
        reply_to_id: Message that it answers.
        state: What became of it.
        message_id: Telegram's id of the delivered message.
        attempts: How often it was about to be sent.
        typing_at: When to begin to show the typing action.
        due_at: When to send it.
        sent_at: When it was delivered.
        trigger_id: Newest message of the burst that it answers.
    """

    id: int
    reply_id: int
    chat_id: int
    part: int
    text: str
    random_id: int
    reply_to_id: int | None
    state: OutboxState
    message_id: int | None
    attempts: int
    typing_at: datetime
    due_at: datetime
    sent_at: datetime | None
    trigger_id: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Bubble:
    """A bubble of a decision: its text, its random id, and when it is due.

    Args:
        text: What to send.
        random_id: Telegram delivers one message per value, however often it is sent.
        due_at: When to send it.
        typing_at: When to begin to show the typing action; None shows it only as the bubble is sent.
        reply_to_id: Message that it answers.
    """

    text: str
    random_id: int
    due_at: datetime
    typing_at: datetime | None = None
    reply_to_id: int | None = None


@dataclass(frozen=True, slots=True)
class SentCounts:
    """How many replies went out or are on their way, in the three ways that limits ask for.

    Args:
        in_hour: To the chat, in the last hour.
        in_day: To all chats, in the last day.
        since: To the chat, since a time that the caller chose.
    """

    in_hour: int
    in_day: int
    since: int
