"""Sessions: a chat's history cut into stretches whose owner turns may be supervised."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from training.data.samples import Reason
from userbot.domain.messages import Chat, ChatKind, Message, Origin, Turn, fold_turns, split_sessions


@dataclass(frozen=True, slots=True)
class Session:
    """A stretch of a chat without a long gap and without the clone.

    Args:
        chat_id: The chat.
        turns: Oldest first, sides alternate. Owner turns in the owner's own words keep their messages, others don't.
        supervised: Whether the turn is supervised, one flag per turn; only owner turns in the owner's own words are.
        newest_at: Time of its newest message, aware UTC.
    """

    chat_id: int
    turns: tuple[Turn, ...]
    supervised: tuple[bool, ...]
    newest_at: datetime

    @property
    def own_turns(self) -> int:
        """Return the number of supervised turns."""
        return sum(self.supervised)


def read_sessions(
    chat: Chat, messages: Iterable[Message], *, gap: timedelta, left_out: Counter[Reason]
) -> list[Session]:
    """Cut a chat's history into the sessions that have a supervised turn.

    Topics of a forum are conversations of their own. The clone's messages end a session, and the owner turn right
    after them is not supervised: what it answers is missing.

    Args:
        chat: Decides whether names stand before the contacts' bubbles.
        messages: All messages of the chat, oldest first.
        gap: Silence that ends a session.
        left_out: Is increased by what is left out.

    Returns:
        The sessions, oldest first.
    """
    topics: defaultdict[int | None, list[Message]] = defaultdict(list)
    for message in messages:
        topics[message.topic_id].append(message)
    sessions: list[Session] = []
    for topic in topics.values():
        for session in split_sessions(topic, gap=gap):
            for stretch, after_clone in _cut_at_clone(session, left_out):
                turns = fold_turns(stretch, names=chat.kind is ChatKind.GROUP)
                sessions += _make_session(chat, turns, after_clone, left_out)
    return sorted(sessions, key=lambda session: session.newest_at)


def _cut_at_clone(session: Sequence[Message], left_out: Counter[Reason]) -> Iterator[tuple[list[Message], bool]]:
    stretch: list[Message] = []
    after_clone = False
    for message in session:
        if message.origin is not Origin.CLONE:
            stretch.append(message)
            continue
        left_out[Reason.CLONE] += 1
        if stretch:
            yield stretch, after_clone
        stretch, after_clone = [], True
    if stretch:
        yield stretch, after_clone


def _make_session(chat: Chat, turns: Sequence[Turn], after_clone: bool, left_out: Counter[Reason]) -> Iterator[Session]:
    kept: list[Turn] = []
    supervised: list[bool] = []
    for turn in turns:
        if not turn.mine:
            kept.append(Turn(False, turn.bubbles))
            supervised.append(False)
            continue
        own = tuple(message for message in turn.messages if message.is_own_words)
        orphan = after_clone and not kept
        if not own:
            left_out[Reason.NO_OWN_WORDS] += 1
        elif orphan:
            left_out[Reason.AFTER_CLONE] += 1
        kept.append(Turn(True, tuple(message.text.strip() for message in own) or turn.bubbles, own))
        supervised.append(bool(own) and not orphan)
    if any(supervised):
        yield Session(chat.id, tuple(kept), tuple(supervised), turns[-1].messages[-1].sent_at)
