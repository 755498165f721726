"""Sessions: a chat's history cut into stretches whose owner turns may be supervised."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from training.data.samples import Reason
from userbot.domain.exclusions import Excluded, Exclusion
from userbot.domain.messages import Chat, ChatKind, Message, Origin, Turn, fold_turns, split_sessions
from userbot.domain.visible import clean_text


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
    chat: Chat,
    messages: Iterable[Message],
    *,
    gap: timedelta,
    exclusions: Sequence[Exclusion] = (),
    left_out: Counter[Reason],
) -> list[Session]:
    """Cut a chat's history into the sessions that have a supervised turn.

    Topics of a forum are conversations of their own. The clone's messages and excluded ones end a session, and the
    owner turn right after them is not supervised: what it answers is missing. What the owner writes in answer to an
    excluded message is excluded with it.

    Args:
        chat: Decides whether names stand before the contacts' bubbles.
        messages: All messages of the chat, oldest first.
        gap: Silence that ends a session.
        exclusions: What the owner keeps out.
        left_out: Is increased by what is left out.

    Returns:
        The sessions, oldest first.
    """
    excluded = Excluded(exclusions, chat.id)
    topics: defaultdict[int | None, list[Message]] = defaultdict(list)
    for message in messages:
        topics[message.topic_id].append(message)
    sessions: list[Session] = []
    for topic in topics.values():
        for session in split_sessions(topic, gap=gap):
            for stretch, before in _cut(session, excluded, left_out):
                turns = fold_turns(stretch, names=chat.kind is ChatKind.GROUP)
                sessions += _make_session(chat, turns, before, left_out)
    return sorted(sessions, key=lambda session: session.newest_at)


_ORPHANS = {Reason.CLONE: Reason.AFTER_CLONE, Reason.EXCLUDED: Reason.AFTER_EXCLUDED}
"""Why the owner turn right after a message that is left out is left out too."""


def _cut(
    session: Sequence[Message], excluded: Excluded, left_out: Counter[Reason]
) -> Iterator[tuple[list[Message], Reason | None]]:
    """Yield what stands between messages that are left out, with the reason of the one before it."""
    stretch: list[Message] = []
    before: Reason | None = None
    for message in session:
        if message.origin is Origin.CLONE:
            reason = Reason.CLONE
        elif excluded.holds(message):
            reason = Reason.EXCLUDED
        else:
            stretch.append(message)
            continue
        left_out[reason] += 1
        if stretch:
            yield stretch, before
        stretch, before = [], reason
    if stretch:
        yield stretch, before


def _make_session(
    chat: Chat, turns: Sequence[Turn], before: Reason | None, left_out: Counter[Reason]
) -> Iterator[Session]:
    kept: list[Turn] = []
    supervised: list[bool] = []
    for turn in turns:
        if not turn.mine:
            kept.append(Turn(False, turn.bubbles))
            supervised.append(False)
            continue
        own = tuple(message for message in turn.messages if message.is_own_words)
        orphan = before is not None and not kept
        if not own:
            left_out[Reason.NO_OWN_WORDS] += 1
        elif before is not None and orphan:
            left_out[_ORPHANS[before]] += 1
        kept.append(Turn(True, tuple(clean_text(message.text).strip() for message in own) or turn.bubbles, own))
        supervised.append(bool(own) and not orphan)
    if any(supervised):
        yield Session(chat.id, tuple(kept), tuple(supervised), turns[-1].messages[-1].sent_at)
