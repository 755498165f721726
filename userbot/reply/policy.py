"""May this burst be answered? A pure function from a situation to a verdict with its reason."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta, tzinfo
from enum import StrEnum

from userbot.domain.hours import Hours
from userbot.domain.messages import Chat, ChatKind, Message, Mode
from userbot.domain.telegram_ids import SERVICE_IDS
from userbot.reply.loops import find_loop


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """The owner's limits. The defaults stand in the settings (`ReplySettings`), and nowhere else.

    Args:
        stale_s: Older messages are not answered, seconds.
        per_chat_per_hour: Most generations for one chat in an hour.
        per_day: Most generations in 24 hours, all chats together.
        max_without_owner: Replies to one chat after which the owner must write first.
        quiet_hours: Nothing is answered in these, on the clock of `zone`.
        zone: Time zone of the quiet hours; None is the machine's.
        only_offline_s: Answer only when the owner has been offline for so long, seconds; None does not ask.
        chat_share: Share of `per_day` that one chat may take; at least one generation.
    """

    stale_s: float
    per_chat_per_hour: int
    per_day: int
    max_without_owner: int
    quiet_hours: Hours | None
    zone: tzinfo | None
    only_offline_s: float | None
    chat_share: float = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyInput:
    """What a verdict needs to know.

    Args:
        chat: The chat as stored.
        burst: The contact's messages without an answer, oldest first.
        window: The newest messages of the chat, the burst among them, oldest first.
        mentioned: The owner is addressed in the burst; only groups ask.
        paused_until: End of a pause of all chats.
        owner_seen_at: When the owner was last online; None while online.
        replies_in_hour: Generations for this chat in the last hour, whatever became of them.
        replies_in_day: Generations for all chats in the last 24 hours.
        replies_of_chat: Generations for this chat in the last 24 hours.
        replies_without_owner: Replies to this chat since the owner last wrote there.
    """

    chat: Chat
    burst: tuple[Message, ...]
    window: tuple[Message, ...] = ()
    mentioned: bool = False
    paused_until: datetime | None = None
    owner_seen_at: datetime | None = None
    replies_in_hour: int = 0
    replies_in_day: int = 0
    replies_of_chat: int = 0
    replies_without_owner: int = 0


class Ruling(StrEnum):
    """What a verdict says."""

    ANSWER = "answer"
    HOLD = "hold"
    REFUSE = "refuse"


@dataclass(frozen=True, slots=True)
class Verdict:
    """Answer, or not and why; a held burst may be judged again at `retry_at`."""

    ruling: Ruling
    reason: str | None = None
    retry_at: datetime | None = None


def judge(situation: PolicyInput, rules: Rules, now: datetime) -> Verdict:
    """Judge a burst. What can never change refuses; what time or the owner will change holds.

    Args:
        situation: What is known about the chat.
        rules: The owner's limits.
        now: The time, aware, UTC.

    Returns:
        The verdict. Of several reasons to hold, it names the one that lasts longest.
    """
    for check in _REFUSALS:
        if reason := check(situation, rules, now):
            return Verdict(Ruling.REFUSE, reason)
    holds = [hold for check in _HOLDS for hold in check(situation, rules, now)]
    if not holds:
        return Verdict(Ruling.ANSWER)
    # The reason that lasts longest is the one worth telling.
    reason, until = max(holds, key=lambda hold: hold[1])
    return Verdict(Ruling.HOLD, reason, until)


def is_answerable(chat: Chat) -> bool:
    """Tell whether a chat may ever be answered, whatever was said there."""
    return (
        chat.mode is not Mode.OFF
        and chat.kind.is_conversation
        and chat.source == "telegram"
        and chat.id not in SERVICE_IDS
    )


def _refuse_chat(situation: PolicyInput, _rules: Rules, _now: datetime) -> str | None:
    chat = situation.chat
    if chat.mode is Mode.OFF:
        return "the chat is not on the allow-list"
    if not is_answerable(chat):
        return f"a {chat.kind} chat is never answered"
    return None


def _refuse_unaddressed(situation: PolicyInput, _rules: Rules, _now: datetime) -> str | None:
    if situation.chat.kind is ChatKind.GROUP and not situation.mentioned:
        return "nobody addressed the owner in the group"
    return None


def _refuse_empty(situation: PolicyInput, _rules: Rules, _now: datetime) -> str | None:
    if not any(message.content.strip() for message in situation.burst):
        return "the burst has no content"
    return None


def _refuse_stale(situation: PolicyInput, rules: Rules, now: datetime) -> str | None:
    age_s = (now - situation.burst[-1].sent_at).total_seconds()
    return f"older than {rules.stale_s:g} s" if age_s > rules.stale_s else None


def _refuse_monologue(situation: PolicyInput, rules: Rules, _now: datetime) -> str | None:
    if situation.replies_without_owner >= rules.max_without_owner:
        return f"{rules.max_without_owner} replies without the owner: it is the owner's turn"
    return None


def _refuse_loop(situation: PolicyInput, _rules: Rules, _now: datetime) -> str | None:
    return find_loop(situation.window)


_Refusal = Callable[[PolicyInput, Rules, datetime], str | None]
_REFUSALS: tuple[_Refusal, ...] = (
    _refuse_chat,
    _refuse_empty,
    _refuse_unaddressed,
    _refuse_stale,
    _refuse_monologue,
    _refuse_loop,
)


def _hold_paused(situation: PolicyInput, _rules: Rules, now: datetime) -> Iterator[tuple[str, datetime]]:
    if situation.paused_until is not None and situation.paused_until > now:
        yield "everything is paused", situation.paused_until
    if situation.chat.paused_until is not None and situation.chat.paused_until > now:
        yield "the chat is paused", situation.chat.paused_until


def _hold_quiet(_situation: PolicyInput, rules: Rules, now: datetime) -> Iterator[tuple[str, datetime]]:
    end = rules.quiet_hours.end_after(now, rules.zone) if rules.quiet_hours else None
    if end is not None:
        yield "quiet hours", end


def _hold_online(situation: PolicyInput, rules: Rules, now: datetime) -> Iterator[tuple[str, datetime]]:
    if rules.only_offline_s is None:
        return
    free_at = (situation.owner_seen_at or now) + timedelta(seconds=rules.only_offline_s)
    if situation.owner_seen_at is None or free_at > now:
        yield "the owner is online, or was a moment ago", free_at


def find_spent(rules: Rules, *, in_hour: int, in_day: int, chat_in_day: int) -> list[tuple[str, timedelta]]:
    """Return the limits that are reached, each with when to look again.

    Args:
        rules: The limits.
        in_hour: Generations for the chat in the last hour.
        in_day: Generations for all chats in the last 24 hours.
        chat_in_day: Generations for the chat in the last 24 hours.
    """
    share = max(1, int(rules.per_day * rules.chat_share))
    spent = []
    if in_hour >= rules.per_chat_per_hour:
        spent.append((f"{rules.per_chat_per_hour} replies to this chat within an hour", timedelta(minutes=5)))
    if in_day >= rules.per_day:
        spent.append((f"{rules.per_day} replies within a day", timedelta(minutes=15)))
    elif chat_in_day >= share:
        reason = f"{share} replies to this chat within a day, its share of {rules.per_day}"
        spent.append((reason, timedelta(minutes=15)))
    return spent


def _hold_caps(situation: PolicyInput, rules: Rules, now: datetime) -> Iterator[tuple[str, datetime]]:
    spent = find_spent(
        rules,
        in_hour=situation.replies_in_hour,
        in_day=situation.replies_in_day,
        chat_in_day=situation.replies_of_chat,
    )
    for reason, wait in spent:
        yield reason, now + wait


_Hold = Callable[[PolicyInput, Rules, datetime], Iterator[tuple[str, datetime]]]
_HOLDS: tuple[_Hold, ...] = (_hold_paused, _hold_quiet, _hold_online, _hold_caps)
