"""What the data set consists of: samples, and a report on where they come from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from userbot.domain.messages import Turn

INSTRUCTION_CHAT_ID = 0
"""Chat id of mixed-in instruction samples; no chat of a messenger has it."""


class Reason(StrEnum):
    """Why something is no training data; each text names the unit that is counted."""

    NO_CONSENT = "chats without consent"
    MEMBERS_MISSING = "chats in which a member has not agreed"
    BEFORE_CONSENT = "messages from before the day that the consent names"
    NO_CONVERSATION = "chats that are no conversation with people"
    OWN_ONLY = "chats exported without the other side"
    CLONE = "messages written by the clone"
    NO_OWN_WORDS = "your turns without own words: media, forwards, inline bots"
    MASKED = "your turns that are mostly private data"
    EXCLUDED_CHAT = "chats that you excluded"
    EXCLUDED = "messages that you excluded"
    AFTER_EXCLUDED = "your turns right after an excluded message"
    AFTER_CLONE = "your turns right after the clone's"
    REPEATED = "your turns said many times"
    NEAR_EMPTY = "your turns with next to nothing in them"
    AGE = "your turns thinned by age"
    CHAT_SHARE = "your turns over one chat's share"
    TOO_LONG = "your turns longer than a sample"
    MIX_TOO_LONG = "instruction samples longer than a sample"


@dataclass(frozen=True, slots=True)
class Sample:
    """One conversation to train on. It ends with a supervised owner turn.

    Args:
        turns: Oldest first, sides alternate. Supervised turns keep the messages that they were made from.
        supervised: Whether the turn's tokens are supervised, one flag per turn; only owner turns can be.
        system: One line that says who the contact is; None where nothing is known.
        chat_id: The chat that it comes from; INSTRUCTION_CHAT_ID for instruction data.
        newest_at: Time of the session's newest message, aware UTC.
    """

    turns: tuple[Turn, ...]
    supervised: tuple[bool, ...]
    system: str | None
    chat_id: int
    newest_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class ChatReport:
    """What became of one chat.

    Args:
        chat_id: The chat; see `Chat.id`.
        title: The chat's name.
        messages: Messages read; 0 where the whole chat was left out.
        own_turns: Owner turns with own words.
        supervised: Supervised owner turns in the training samples.
        held_out: Supervised owner turns in the held-out samples.
        left_out: Why the whole chat was left out, or None.
    """

    chat_id: int
    title: str
    messages: int = 0
    own_turns: int = 0
    supervised: int = 0
    held_out: int = 0
    left_out: Reason | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class DataReport:
    """What the data set holds.

    Args:
        chats: All chats of the store; those with most supervised turns first.
        left_out: Counts by reason; the reason names the unit.
        masked: Private values that were replaced by placeholders, by kind.
        train_samples: Training samples, mixed-in ones included.
        mixed_samples: Samples of instruction data among them.
        held_out_samples: Samples for evaluation.
        train_turns: Supervised owner turns in the training samples.
        held_out_turns: Supervised owner turns in the held-out samples.
        train_tokens: Tokens of the training samples, without any padding.
        supervised_tokens: Tokens among them that the loss counts: the owner's words and end tokens.
        lengths: Length of a training sample in tokens by percentile: 50, 90, 99, 100.
        held_out_since: Time of the oldest held-out session's newest message.
    """

    chats: tuple[ChatReport, ...] = ()
    left_out: Mapping[Reason, int] = field(default_factory=dict)
    masked: Mapping[str, int] = field(default_factory=dict)
    train_samples: int = 0
    mixed_samples: int = 0
    held_out_samples: int = 0
    train_turns: int = 0
    held_out_turns: int = 0
    train_tokens: int = 0
    supervised_tokens: int = 0
    lengths: Mapping[int, int] = field(default_factory=dict)
    held_out_since: datetime | None = None


@dataclass(frozen=True, slots=True)
class DataSet:
    """Training samples, the newest sessions held out for evaluation, and a report."""

    train: tuple[Sample, ...]
    held_out: tuple[Sample, ...]
    report: DataReport
