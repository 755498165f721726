"""Read from the store what a verdict on a chat needs to know."""

from __future__ import annotations

from collections.abc import Container
from datetime import UTC, datetime, timedelta

from userbot.domain.messages import ChatKind, Message, Origin
from userbot.reply.context import find_burst, is_addressed
from userbot.reply.policy import PolicyInput
from userbot.store import Store
from userbot.store.facts import OWN_DRAFTS, OWNER_USERNAME, PAUSED_UNTIL
from userbot.trust.opt_out import list_left_out

_LONG_AGO = datetime(1970, 1, 1, tzinfo=UTC)


def read_situation(
    store: Store,
    chat_id: int,
    *,
    limit: int,
    owner_seen_at: datetime | None,
    addressed_ids: Container[int] = (),
) -> PolicyInput | None:
    """Return how things stand in a chat; None where no message waits for an answer.

    Args:
        store: Where to read.
        chat_id: The chat.
        limit: Newest messages to read.
        owner_seen_at: When the owner was last online; None while online.
        addressed_ids: Messages of which Telegram said that they address the owner.

    Returns:
        What a verdict needs to know.
    """
    now = store.clock()
    chat = store.chats.get(chat_id)
    if chat is None:
        return None
    left_out = list_left_out(store, chat_id)
    window = tuple(m for m in store.messages.window(chat_id, limit=limit) if m.sender_id not in left_out or _is_own(m))
    burst = find_burst(window, handled_id=chat.handled_id)
    if not burst:
        return None
    mentioned = chat.kind is ChatKind.GROUP and (
        any(message.id in addressed_ids for message in burst)
        or is_addressed(burst, window, username=store.facts.get(OWNER_USERNAME))
    )
    owner_wrote_at = max((m.sent_at for m in window if m.origin is Origin.OWNER), default=None)
    if owner_wrote_at is None:
        owner_wrote_at = store.messages.last_sent_at(chat_id, Origin.OWNER) or _LONG_AGO
    sent = store.replies.count_sent(
        chat_id, hour_ago=now - timedelta(hours=1), day_ago=now - timedelta(days=1), since=owner_wrote_at
    )
    asked = store.generations.count(chat_id)
    return PolicyInput(
        chat=chat,
        burst=burst,
        # Nothing of another topic is a context, an own last word or a loop.
        window=tuple(message for message in window if message.topic_id == burst[-1].topic_id),
        mentioned=mentioned,
        paused_until=read_pause(store),
        owner_seen_at=owner_seen_at,
        # A version before counted replies alone; for a day after an upgrade these are the greater numbers.
        replies_in_hour=max(sent.in_hour, asked.chat_in_hour),
        replies_in_day=max(sent.in_day, asked.in_day),
        replies_of_chat=asked.chat_in_day,
        replies_without_owner=sent.since,
    )


def _is_own(message: Message) -> bool:
    return message.origin is not Origin.CONTACT


def read_pause(store: Store) -> datetime | None:
    """Return when the pause of all chats ends; None without one."""
    return store.facts.get(PAUSED_UNTIL)


def write_pause(store: Store, until: datetime | None) -> None:
    """Pause all chats; None ends the pause."""
    store.facts.set(PAUSED_UNTIL, until)


def read_own_drafts(store: Store) -> dict[int, str]:
    """Return the texts that the clone left in draft boxes, by chat id: it may replace these, but never the owner's."""
    return store.facts.get(OWN_DRAFTS) or {}


def note_own_draft(store: Store, chat_id: int, text: str) -> None:
    """Remember what the clone left in a chat's draft box."""
    store.facts.set(OWN_DRAFTS, {**read_own_drafts(store), chat_id: text})
