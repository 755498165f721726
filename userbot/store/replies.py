"""Replies and the outbox: what was decided for each burst, and what is still to be delivered.

A reply and its outbox rows are written in one transaction, before anything is sent; `random_id` lives in the row, so
that a resend after a crash is recognised by Telegram as the same message.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import (
    Engine,
    Row,
    ScalarSelect,
    Select,
    Update,
    and_,
    bindparam,
    case,
    func,
    insert,
    or_,
    select,
    update,
)
from sqlalchemy.dialects.sqlite import insert as upsert
from sqlalchemy.engine import Connection

from userbot.domain.messages import Message
from userbot.store.decisions import Bubble, Decision, OutboxItem, OutboxState, ReplyState, SentCounts
from userbot.store.schema import UtcTime, chats, messages, outbox, replies

__all__ = ["Bubble", "Decision", "OutboxItem", "OutboxState", "ReplyRepository", "ReplyState", "SentCounts"]


# The outbox gives a bubble up after `stale_s`, an hour by default; Telegram's clock and ours may differ a little.
_TRIED_FOR = timedelta(days=1)
_CLOCKS_APART = timedelta(minutes=5)


def _count_since(name: str, *, one_chat: bool) -> ScalarSelect[int]:
    query = select(func.count()).where(
        replies.c.created_at >= bindparam(name, type_=UtcTime),
        replies.c.state.in_([ReplyState.QUEUED, ReplyState.SENT, ReplyState.DRAFTED]),
    )
    return (query.where(replies.c.chat_id == bindparam("chat_id")) if one_chat else query).scalar_subquery()


# Run for every burst, so the statement is built once.
_SENT_COUNTS = select(
    _count_since("hour_ago", one_chat=True),
    _count_since("day_ago", one_chat=False),
    _count_since("since", one_chat=True),
)


class ReplyRepository:
    """Reads and writes decisions and the outbox.

    Args:
        engine: An open engine.
        clock: Tells when something was decided or sent.
    """

    def __init__(self, engine: Engine, clock: Callable[[], datetime]) -> None:
        self._engine = engine
        self._clock = clock

    def decide(self, decision: Decision, bubbles: Sequence[Bubble] = ()) -> Decision | None:
        """Record a decision with its bubbles, and move the chat's `handled_id` to the trigger, in one transaction.

        A burst is decided once: a second decision for the same trigger changes nothing, unless the first was `held`.
        Earlier bursts of the chat that are still held are closed with it, as it answers them too.

        Args:
            decision: The decision.
            bubbles: What to send, in order; each becomes a row of the outbox.

        Returns:
            The stored decision, or None where the burst was decided before.
        """
        row = {
            "chat_id": decision.chat_id,
            "trigger_id": decision.trigger_id,
            "state": decision.state,
            "reason": decision.reason,
            "adapter_id": decision.adapter_id,
            "context_ids": list(decision.context_ids),
            "timings": dict(decision.timings or {}),
            "created_at": self._clock(),
        }
        statement = upsert(replies).values(row)
        statement = statement.on_conflict_do_update(
            index_elements=["chat_id", "trigger_id"], set_=row, where=replies.c.state == ReplyState.HELD
        )
        with self._engine.begin() as connection:
            stored = connection.execute(statement.returning(*replies.c)).first()
            if stored is None:
                return None
            for part, bubble in enumerate(bubbles):
                connection.execute(insert(outbox).values(_outbox_row(stored, part, bubble)))
            if decision.state is not ReplyState.HELD:
                connection.execute(_close_held(stored))
                newest = case((chats.c.handled_id > decision.trigger_id, chats.c.handled_id), else_=decision.trigger_id)
                connection.execute(update(chats).where(chats.c.id == decision.chat_id).values(handled_id=newest))
        return _decision(stored)

    def pending(self, chat_id: int | None = None) -> list[OutboxItem]:
        """Return the bubbles still to be sent, of all chats or one, in the order of sending."""
        query = _select_items().where(outbox.c.state == OutboxState.PENDING)
        if chat_id is not None:
            query = query.where(outbox.c.chat_id == chat_id)
        with self._engine.connect() as connection:
            return [_item(row) for row in connection.execute(query.order_by(outbox.c.reply_id, outbox.c.part))]

    def has_said(self, chat_id: int, text: str) -> bool:
        """Tell whether a bubble of this text was sent in a chat, or is to be sent."""
        query = select(outbox.c.id).where(
            outbox.c.chat_id == chat_id,
            outbox.c.text == text,
            outbox.c.state.in_((OutboxState.PENDING, OutboxState.SENT)),
        )
        with self._engine.connect() as connection:
            return connection.execute(query.limit(1)).first() is not None

    def get(self, reply_id: int) -> Decision | None:
        """Return a decision, or None."""
        with self._engine.connect() as connection:
            row = connection.execute(select(replies).where(replies.c.id == reply_id)).first()
        return None if row is None else _decision(row)

    def parts(self, reply_id: int) -> list[OutboxItem]:
        """Return the bubbles of a reply, sent or not, in order."""
        query = _select_items().where(outbox.c.reply_id == reply_id).order_by(outbox.c.part)
        with self._engine.connect() as connection:
            return [_item(row) for row in connection.execute(query)]

    def claim(self, item_id: int) -> bool:
        """Note that a bubble is about to be sent; return False, changing nothing, where it is no longer pending."""
        with self._engine.begin() as connection:
            statement = update(outbox).where(outbox.c.id == item_id, outbox.c.state == OutboxState.PENDING)
            return connection.execute(statement.values(attempts=outbox.c.attempts + 1)).rowcount > 0

    def find_unconfirmed(self, chat_id: int, text: str, *, sent_at: datetime) -> OutboxItem | None:
        """Return the oldest bubble of this text that was tried and whose delivery is not known.

        After a crash between sending and recording, the clone's own message comes back as if another device had written
        it. The owner may also write the same words days later; that is no such message. `userbot.reply.echo` states the
        whole rule.

        Args:
            chat_id: The chat.
            text: The message's.
            sent_at: When Telegram received the message.
        """
        query = _select_items().where(
            outbox.c.chat_id == chat_id,
            outbox.c.message_id.is_(None),
            outbox.c.attempts > 0,
            outbox.c.text == text,
            outbox.c.typing_at <= sent_at + _CLOCKS_APART,
            outbox.c.due_at >= sent_at - _TRIED_FOR,
        )
        with self._engine.connect() as connection:
            row = connection.execute(query.order_by(outbox.c.id)).first()
        return None if row is None else _item(row)

    def mark_sent(self, item: OutboxItem, message: Message) -> None:
        """Record a delivery together with the message itself; the last bubble makes the whole reply `sent`.

        Args:
            item: The bubble.
            message: What Telegram returned for it.
        """
        now = self._clock()
        values = {name: getattr(message, name) for name in message.__slots__}
        with self._engine.begin() as connection:
            connection.execute(
                update(outbox)
                .where(outbox.c.id == item.id)
                .values(state=OutboxState.SENT, message_id=message.id, sent_at=now)
            )
            statement = upsert(messages).values(**values, stored_at=now)
            # Telegram's update may have come before its answer, and looked like the owner's own message.
            connection.execute(
                statement.on_conflict_do_update(index_elements=["chat_id", "id"], set_={"origin": message.origin})
            )
            self._close(connection, item.reply_id, ReplyState.SENT, None)

    def cancel(self, reply_id: int, *, reason: str) -> int:
        """Cancel the bubbles of a reply that are not sent; return how many.

        A reply that was sent in part counts as `sent`, with the reason why it is not whole.
        """
        return self._stop(reply_id, OutboxState.CANCELLED, ReplyState.CANCELLED, reason)

    def fail(self, reply_id: int, *, reason: str) -> int:
        """Give up on the bubbles of a reply that are not sent; return how many."""
        return self._stop(reply_id, OutboxState.FAILED, ReplyState.FAILED, reason)

    def set_state(self, reply_id: int, state: ReplyState, *, reason: str | None = None) -> None:
        """Change what became of a reply, such as `undone`."""
        with self._engine.begin() as connection:
            connection.execute(update(replies).where(replies.c.id == reply_id).values(state=state, reason=reason))

    def newest(self, chat_id: int | None = None, *, limit: int = 1) -> list[Decision]:
        """Return the newest decisions, of all chats or one, newest first."""
        query = select(replies)
        if chat_id is not None:
            query = query.where(replies.c.chat_id == chat_id)
        with self._engine.connect() as connection:
            return [_decision(row) for row in connection.execute(query.order_by(replies.c.id.desc()).limit(limit))]

    def by_message(self, chat_id: int, message_id: int) -> Decision | None:
        """Return the decision whose reply holds a message of the clone."""
        query = select(replies).join(outbox).where(outbox.c.chat_id == chat_id, outbox.c.message_id == message_id)
        with self._engine.connect() as connection:
            row = connection.execute(query).first()
        return None if row is None else _decision(row)

    def by_text(self, text: str) -> Decision | None:
        """Return the newest decision with a bubble of exactly this text."""
        query = select(replies).join(outbox).where(outbox.c.text == text).order_by(replies.c.id.desc())
        with self._engine.connect() as connection:
            row = connection.execute(query).first()
        return None if row is None else _decision(row)

    def is_clone_message(self, chat_id: int, message_id: int) -> bool:
        """Tell whether a message is known as a delivered bubble; `userbot.reply.echo` states the whole rule."""
        return self.by_message(chat_id, message_id) is not None

    def count_sent(self, chat_id: int, *, hour_ago: datetime, day_ago: datetime, since: datetime) -> SentCounts:
        """Count the replies that went out, are on their way or lie in a draft box, in the ways that limits ask for.

        Args:
            chat_id: The chat.
            hour_ago: Start of the count by chat and hour.
            day_ago: Start of the count over all chats.
            since: Start of a second count by chat.
        """
        values = {"chat_id": chat_id, "hour_ago": hour_ago, "day_ago": day_ago, "since": since}
        with self._engine.connect().execution_options(read_only=True) as connection:
            return SentCounts(*connection.execute(_SENT_COUNTS, values).one())

    def sent_since(self, since: datetime, *, chat_id: int | None = None) -> int:
        """Count the replies decided since a time that were sent or are queued, to all chats or one."""
        query = select(func.count()).where(
            replies.c.created_at >= since, replies.c.state.in_([ReplyState.QUEUED, ReplyState.SENT])
        )
        if chat_id is not None:
            query = query.where(replies.c.chat_id == chat_id)
        with self._engine.connect() as connection:
            return connection.execute(query).scalar_one()

    def count_regrets(self, adapter_id: str) -> tuple[int, int]:
        """Count the delivered replies of an adapter, and those of them that the owner undid or deleted.

        Returns:
            All delivered replies, and the regretted ones among them.
        """
        deleted = (
            select(outbox.c.id)
            .join(messages, and_(messages.c.chat_id == outbox.c.chat_id, messages.c.id == outbox.c.message_id))
            .where(outbox.c.reply_id == replies.c.id, messages.c.deleted_at.is_not(None))
            .exists()
        )
        regretted = func.count().filter(or_(replies.c.state == ReplyState.UNDONE, deleted))
        query = select(func.count(), regretted).where(
            replies.c.adapter_id == adapter_id, replies.c.state.in_([ReplyState.SENT, ReplyState.UNDONE])
        )
        with self._engine.connect() as connection:
            total, regrets = connection.execute(query).one()
        return total, regrets

    def _stop(self, reply_id: int, items: OutboxState, whole: ReplyState, reason: str) -> int:
        waiting = update(outbox).where(outbox.c.reply_id == reply_id, outbox.c.state == OutboxState.PENDING)
        with self._engine.begin() as connection:
            stopped = connection.execute(waiting.values(state=items)).rowcount
            if stopped:
                self._close(connection, reply_id, whole, reason)
        return stopped

    @staticmethod
    def _close(connection: Connection, reply_id: int, state: ReplyState, reason: str | None) -> None:
        open_parts = select(func.count()).where(outbox.c.reply_id == reply_id, outbox.c.state == OutboxState.PENDING)
        if connection.execute(open_parts).scalar_one() == 0:
            sent = select(func.count()).where(outbox.c.reply_id == reply_id, outbox.c.state == OutboxState.SENT)
            final = ReplyState.SENT if connection.execute(sent).scalar_one() else state
            connection.execute(update(replies).where(replies.c.id == reply_id).values(state=final, reason=reason))


def _close_held(decided: Row[Any]) -> Update:
    earlier = and_(
        replies.c.chat_id == decided.chat_id,
        replies.c.trigger_id < decided.trigger_id,
        replies.c.state == ReplyState.HELD,
    )
    return update(replies).where(earlier).values(state=ReplyState.CANCELLED, reason="answered with a later burst")


def _select_items() -> Select[Any]:
    return select(outbox, replies.c.trigger_id).join(replies)


def _outbox_row(reply: Row[Any], part: int, bubble: Bubble) -> dict[str, Any]:
    return {
        "reply_id": reply.id,
        "chat_id": reply.chat_id,
        "part": part,
        "text": bubble.text,
        "random_id": bubble.random_id,
        "reply_to_id": bubble.reply_to_id,
        "state": OutboxState.PENDING,
        "typing_at": bubble.typing_at or bubble.due_at,
        "due_at": bubble.due_at,
    }


def _decision(row: Row[Any]) -> Decision:
    values = {**row._mapping, "state": ReplyState(row.state), "context_ids": tuple(row.context_ids)}
    return Decision(**values)


def _item(row: Row[Any]) -> OutboxItem:
    return OutboxItem(**{**row._mapping, "state": OutboxState(row.state)})
