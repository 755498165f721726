"""When to read, type and send, so that it takes as long as the owner takes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import blake2b
from itertools import pairwise
from random import Random
from statistics import median

from userbot.domain.messages import Message, Origin
from userbot.store.replies import Bubble

READING_CPS = 30.0
"""Characters a second that a reader takes in."""
DELAY_BOUNDS_S = (1.0, 60.0)
SPEED_BOUNDS_CPS = (2.0, 14.0)
TYPING_BOUNDS_S = (0.8, 25.0)
GAP_BOUNDS_S = (0.4, 1.6)
MIN_SAMPLES = 5
USUAL_DELAY_S = 4.0
"""Seconds from a contact's last bubble to the answer, where the owner's own delay is not known."""


@dataclass(frozen=True, slots=True)
class Habits:
    """How the owner writes in a chat.

    Args:
        delay_s: Seconds from the contact's last bubble to the owner's answer.
        typing_cps: Characters a second.
    """

    delay_s: float
    typing_cps: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """How long waits are. The defaults stand in the settings (`ReplySettings`), and nowhere else.

    Args:
        scale: Factor of all waits; 0 sends at once.
        typing_cps: Typing speed where the owner's is not known, characters a second.
    """

    scale: float
    typing_cps: float


def learn_habits(history: Sequence[Message], pace: Pace) -> Habits:
    """Learn the owner's delay and speed in a chat as bounded medians; only the owner's own words count.

    A gap between two bubbles of the owner is typing time of the second. Fewer than five samples teach nothing.

    Args:
        history: Messages of one chat, oldest first.
        pace: Where the typing speed comes from when it can't be learned.
    """
    delays, speeds = [], []
    for before, after in pairwise(history):
        gap_s = (after.sent_at - before.sent_at).total_seconds()
        if not after.is_own_words or after.media or not 0 < gap_s <= 600:
            continue
        if before.origin is Origin.CONTACT:
            delays.append(gap_s)
        elif before.origin is Origin.OWNER and gap_s <= 60:
            speeds.append(len(after.text) / gap_s)
    return Habits(
        _bound(median(delays), DELAY_BOUNDS_S) if len(delays) >= MIN_SAMPLES else USUAL_DELAY_S,
        _bound(median(speeds), SPEED_BOUNDS_CPS) if len(speeds) >= MIN_SAMPLES else pace.typing_cps,
    )


def plan_bubbles(
    texts: Sequence[str],
    burst: Sequence[Message],
    *,
    habits: Habits,
    pace: Pace,
    now: datetime,
    random: Random,
    reply_to_ids: Sequence[int | None] = (),
) -> list[Bubble]:
    """Give each bubble its time of typing and sending, and its random id.

    The owner's usual delay is counted from the contact's last bubble, so that the time already spent waiting and
    generating is part of it; what is left is at least the time to read the burst.

    Args:
        texts: The reply, one bubble each, in order.
        burst: What it answers.
        habits: The owner's in this chat.
        pace: Scale of the waits.
        now: Time at which the reply is ready.
        random: Source of jitter.
        reply_to_ids: Message that each bubble answers; missing ones answer none.

    Returns:
        Rows for the outbox, in the order of sending.
    """
    trigger = burst[-1]
    reading_s = min(sum(len(message.content) for message in burst) / READING_CPS, 8.0)
    spent_s = max((now - trigger.sent_at).total_seconds(), 0.0)
    delay_s = max(habits.delay_s * random.uniform(0.7, 1.3) - spent_s, reading_s, 0.5)
    at = now + timedelta(seconds=delay_s * pace.scale)
    bubbles = []
    for part, text in enumerate(texts):
        typing_s = _bound(len(text) / habits.typing_cps, TYPING_BOUNDS_S) * random.uniform(0.85, 1.2)
        due_at = at + timedelta(seconds=typing_s * pace.scale)
        bubbles.append(
            Bubble(
                text=text.strip(),
                random_id=derive_random_id(trigger.chat_id, trigger.id, part),
                typing_at=at,
                due_at=due_at,
                reply_to_id=reply_to_ids[part] if part < len(reply_to_ids) else None,
            )
        )
        at = due_at + timedelta(seconds=random.uniform(*GAP_BOUNDS_S) * pace.scale)
    return bubbles


def derive_random_id(chat_id: int, trigger_id: int, part: int) -> int:
    """Derive Telegram's deduplication key from what is answered, signed 64 bit.

    Being derived, it is the same after the database was lost: a burst that was answered before is not answered twice.
    """
    key = f"{chat_id}/{trigger_id}/{part}".encode()
    return int.from_bytes(blake2b(key, digest_size=8).digest(), "big", signed=True)


def _bound(value: float, bounds: tuple[float, float]) -> float:
    return min(max(value, bounds[0]), bounds[1])
