"""Messages: stored once by (chat, message id), read as windows and histories."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from datetime import datetime
from itertools import islice
from typing import Any

from sqlalchemy import Connection, Engine, Row, Select, delete, func, or_, select, update
from sqlalchemy.dialects import sqlite
from sqlalchemy.dialects.sqlite import insert as upsert

from userbot.domain.messages import Message, Origin
from userbot.domain.telegram_ids import CHANNEL_MARK, FIRST_DERIVED_ID
from userbot.store.members import keep_names, list_members
from userbot.store.schema import chats, members, messages, outbox, withheld_answers
from userbot.store.tombstones import drop_forgotten

BATCH = 5000

SAME_TIME_MS = 60_000
"""Messengers that write the minute alone tell times no closer than this."""

_VALUES = [column for column in messages.c if column.name not in ("deleted_at", "stored_at")]
# A member is called what they were called first; see `userbot.store.members`.
_NAME = func.coalesce(members.c.name, messages.c.sender_name).label("sender_name")
_READ = [_NAME if column is messages.c.sender_name else column for column in _VALUES]
_WITH_MEMBERS = messages.outerjoin(
    members, (members.c.chat_id == messages.c.chat_id) & (members.c.sender_id == messages.c.sender_id)
)
_STORED = [*(column.name for column in _VALUES), "stored_at"]
_DIALECT = sqlite.dialect(paramstyle="qmark")

# Millions of rows are stored at a time, so these two go to the driver as they are, with plain tuples.
_INSERT = str(
    upsert(messages)
    .on_conflict_do_nothing(index_elements=["chat_id", "id"])
    .compile(dialect=_DIALECT, column_keys=_STORED)
)
# Derived ids say nothing of the order in the file. Where several messages have one time, their reader tells them apart
# by milliseconds. A row that was stored before it did so takes its place; one is never moved back, as an export that
# begins within the minute counts from there.
_PLACE = "UPDATE messages SET sent_at = ? WHERE chat_id = ? AND id = ? AND sent_at < ? AND sent_at > ?"
_EDIT = (
    "UPDATE messages SET text = ?, media = ?, edited_at = ? "
    "WHERE chat_id = ? AND id = ? AND deleted_at IS NULL AND (edited_at IS NULL OR edited_at < ?)"
)


class MessageRepository:
    """Reads and writes messages.

    Args:
        engine: An open engine.
        clock: Tells when a message was stored or deleted.
    """

    def __init__(self, engine: Engine, clock: Callable[[], datetime]) -> None:
        self._engine = engine
        self._clock = clock

    def add(self, received: Iterable[Message]) -> int:
        """Store messages; their chats must be stored before them.

        What is known already stays, except that a later edit replaces the text, and that messages of other messengers
        take the place that they have in the file among those of the same time. What was forgotten is not stored again.
        The origin of a stored message never changes here: an export can't tell the clone's messages from the owner's
        (see `userbot.reply.echo`).

        Args:
            received: Any number; they are stored in batches.

        Returns:
            How many were new.

        Raises:
            ValueError: A time has no zone.
        """
        rows = iter(received)
        added = 0
        while batch := list(islice(rows, BATCH)):
            with self._engine.begin() as connection:
                added += self._add(connection, drop_forgotten(connection, batch))
        return added

    def _add(self, connection: Connection, batch: Sequence[Message]) -> int:
        if not batch:
            return 0
        now = _milliseconds(self._clock())
        new = connection.exec_driver_sql(_INSERT, [_values(message, now) for message in batch]).rowcount
        if new < len(batch) and batch[0].chat_id >= FIRST_DERIVED_ID:
            connection.exec_driver_sql(_PLACE, [_place(message) for message in batch])
        edits = [
            (m.text, m.media, edited, m.chat_id, m.id, edited)
            for m in batch
            if m.edited_at is not None and (edited := _milliseconds(m.edited_at))
        ]
        if edits:
            connection.exec_driver_sql(_EDIT, edits)
        keep_names(connection, list_members(batch))
        return int(new)

    def get(self, chat_id: int, message_id: int) -> Message | None:
        """Return a message, or None; a deleted one is None."""
        rows = self._read(_select().where(messages.c.chat_id == chat_id, messages.c.id == message_id))
        return rows[0] if rows else None

    def window(self, chat_id: int, *, limit: int) -> list[Message]:
        """Return the newest `limit` messages of a chat that are not deleted, oldest first."""
        query = _select().where(messages.c.chat_id == chat_id)
        query = query.order_by(messages.c.sent_at.desc(), messages.c.id.desc()).limit(limit)
        return self._read(query)[::-1]

    def history(self, chat_id: int) -> Iterator[Message]:
        """Yield all messages of a chat, oldest first, without holding them all in memory."""
        query = _select().where(messages.c.chat_id == chat_id).order_by(messages.c.sent_at, messages.c.id)
        with self._engine.connect().execution_options(read_only=True) as connection:
            for row in connection.execution_options(yield_per=BATCH).execute(query):
                yield _message(row)

    def after(self, chat_id: int, message_id: int, *, origin: Origin | None = None) -> list[Message]:
        """Return the messages of a chat with a greater id, all or of one origin, oldest first."""
        query = _select().where(messages.c.chat_id == chat_id, messages.c.id > message_id)
        if origin is not None:
            query = query.where(messages.c.origin == origin)
        return self._read(query.order_by(messages.c.id))

    def newest_id(self, chat_id: int) -> int:
        """Return the greatest message id of a chat, 0 without any; deleted messages count."""
        with self._engine.connect() as connection:
            query = select(func.coalesce(func.max(messages.c.id), 0)).where(messages.c.chat_id == chat_id)
            return int(connection.execute(query).scalar_one())

    def last_sent_at(self, chat_id: int, origin: Origin) -> datetime | None:
        """Return the time of a side's newest message in a chat, aware, UTC; None where it never wrote."""
        query = select(messages.c.sent_at).where(messages.c.chat_id == chat_id, messages.c.origin == origin)
        with self._engine.connect() as connection:
            newest = query.order_by(messages.c.sent_at.desc(), messages.c.id.desc()).limit(1)
            return connection.execute(newest).scalar_one_or_none()

    def shuffled_chats(self) -> list[int]:
        """Return the chats of other messengers in which messages have one time and so no order; ids, ascending.

        They were stored before readers kept the order of the file; importing them again puts them in order.
        """
        same = select(messages.c.chat_id).where(messages.c.chat_id >= FIRST_DERIVED_ID)
        same = same.group_by(messages.c.chat_id, messages.c.sent_at).having(func.count() > 1)
        with self._engine.connect() as connection:
            return list(connection.scalars(select(same.subquery().c.chat_id).distinct().order_by("chat_id")))

    def texts_of_clone(self, message_ids: Sequence[int]) -> set[tuple[int, str]]:
        """Return (message id, text) of the clone's messages with these ids, in whatever chat.

        For imports whose chats have other ids; `userbot.reply.echo` has the whole table.
        """
        query = select(messages.c.id, messages.c.text).where(
            messages.c.origin == Origin.CLONE, messages.c.id.in_(message_ids)
        )
        with self._engine.connect() as connection:
            return {(row.id, row.text) for row in connection.execute(query)}

    def count_shared(self, chat_id: int, other_id: int) -> int:
        """Count the messages of two chats that have both id and time in common."""
        other = messages.alias()
        same = (other.c.id == messages.c.id) & (other.c.sent_at == messages.c.sent_at) & (other.c.chat_id == other_id)
        query = select(func.count()).select_from(messages.join(other, same)).where(messages.c.chat_id == chat_id)
        with self._engine.connect() as connection:
            return connection.execute(query).scalar_one()

    def count(self, origin: Origin | None = None, *, since: datetime | None = None) -> int:
        """Count messages, all or of one origin, all or stored after `since`."""
        query = select(func.count()).select_from(messages).where(messages.c.deleted_at.is_(None))
        if origin is not None:
            query = query.where(messages.c.origin == origin)
        if since is not None:
            query = query.where(messages.c.stored_at > since)
        with self._engine.connect() as connection:
            return connection.execute(query).scalar_one()

    def count_new_turns(self, since: datetime) -> int:
        """Count the owner turns with own words, stored after `since`, of chats that may be trained on.

        The clone's own messages never count; they also end a turn of the owner's, as they do in training.
        """
        if self.count(Origin.OWNER, since=since) == 0:  # quick, and nearly always the answer
            return 0
        before = func.lag(messages.c.origin).over(
            partition_by=messages.c.chat_id, order_by=(messages.c.sent_at, messages.c.id)
        )
        rows = (
            select(messages, before.label("before"))
            .join(chats)
            .where(messages.c.deleted_at.is_(None), chats.c.consent_at.is_not(None), ~chats.c.own_only)
            .subquery()
        )
        query = select(func.count()).where(
            rows.c.origin == Origin.OWNER,
            or_(rows.c.before.is_(None), rows.c.before != Origin.OWNER),
            rows.c.stored_at > since,
            rows.c.text != "",
            ~rows.c.forwarded,
            ~rows.c.via_bot,
        )
        with self._engine.connect() as connection:
            return connection.execute(query).scalar_one()

    def mark_deleted(self, chat_id: int, message_ids: Sequence[int]) -> int:
        """Delete what messages said, wherever it stands; return how many.

        Their ids and times stay, so that no import stores them again. Words go from the messages, from the bubbles that
        were sent as them, and from answers to them that are held; bubbles that wait quote them no more.
        """
        its = messages.c.chat_id == chat_id, messages.c.id.in_(message_ids)
        gone = {"deleted_at": self._clock(), "text": "", "media": None, "sender_name": None}
        in_chat = outbox.c.chat_id == chat_id
        with self._engine.begin() as connection:
            count = connection.execute(update(messages).where(*its).values(gone)).rowcount
            sent = update(outbox).where(in_chat, outbox.c.message_id.in_(message_ids))
            connection.execute(sent.values(text=""))
            quoting = update(outbox).where(in_chat, outbox.c.reply_to_id.in_(message_ids))
            connection.execute(quoting.values(reply_to_id=None))
            its_answers = withheld_answers.c.chat_id == chat_id, withheld_answers.c.trigger_id.in_(message_ids)
            connection.execute(delete(withheld_answers).where(*its_answers))
        return count

    def count_deleted(self, chat_ids: Collection[int], *, since: datetime | None) -> int:
        """Count the messages of chats that were deleted, at any time or since one."""
        query = select(func.count()).where(messages.c.chat_id.in_(chat_ids), messages.c.deleted_at.is_not(None))
        if since is not None:
            query = query.where(messages.c.deleted_at >= since)
        with self._engine.connect() as connection:
            return connection.execute(query).scalar_one()

    def chats_of(self, message_ids: Sequence[int]) -> dict[int, int]:
        """Find the chats of message ids among private chats and basic groups.

        Telegram's notice of a deletion names no chat for these, as they share one numbering.

        Returns:
            Chat id by message id; ids that are not stored are left out.
        """
        query = select(messages.c.id, messages.c.chat_id).where(
            messages.c.id.in_(message_ids), messages.c.chat_id > CHANNEL_MARK, messages.c.chat_id < FIRST_DERIVED_ID
        )
        with self._engine.connect() as connection:
            return {row.id: row.chat_id for row in connection.execute(query)}

    def _read(self, query: Select[Any]) -> list[Message]:
        with self._engine.connect().execution_options(read_only=True) as connection:
            return [_message(row) for row in connection.execute(query)]


def _select() -> Select[Any]:
    return select(*_READ).select_from(_WITH_MEMBERS).where(messages.c.deleted_at.is_(None))


def _message(row: Row[Any]) -> Message:
    return Message(**{**row._mapping, "origin": Origin(row.origin)})


def _values(message: Message, stored_at: int) -> tuple[Any, ...]:
    # Plain integers and strings: sqlite3 stores them as they are, while enums and booleans go through its adapters.
    return (
        message.chat_id,
        message.id,
        message.origin.value,
        _milliseconds(message.sent_at),
        message.text,
        message.media,
        message.sender_id,
        message.sender_name,
        message.reply_to_id,
        message.topic_id,
        1 if message.forwarded else 0,
        1 if message.via_bot else 0,
        None if message.edited_at is None else _milliseconds(message.edited_at),
        stored_at,
    )


def _place(message: Message) -> tuple[int, int, int, int, int]:
    at = _milliseconds(message.sent_at)
    return at, message.chat_id, message.id, at, at - SAME_TIME_MS


def _milliseconds(time: datetime) -> int:
    # What `UtcTime` does, without a call through SQLAlchemy for each value.
    if time.tzinfo is None:
        raise ValueError(f"{time!r} has no time zone; the store keeps aware times only")
    return round(time.timestamp() * 1000)
