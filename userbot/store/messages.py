"""Messages: stored once by (chat, message id), read as windows and histories."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import datetime
from itertools import islice
from typing import Any

from sqlalchemy import Engine, Row, Select, and_, func, or_, select, update
from sqlalchemy.dialects.sqlite import insert as upsert

from userbot.messages import Message, Origin
from userbot.store.schema import messages

BATCH = 5000

_VALUES = [column for column in messages.c if column.name not in ("deleted_at", "stored_at")]
_NAMES = [column.name for column in _VALUES]


class MessageRepository:
    """Reads and writes messages."""

    def __init__(self, engine: Engine, clock: Callable[[], datetime]) -> None:
        self._engine = engine
        self._clock = clock

    def add(self, found: Iterable[Message]) -> int:
        """Store messages; their chats must be stored before them.

        What is known already stays, except that a later edit replaces the text. A message is the clone's for good once
        it is stored so: an export can't tell it from the owner's.

        Returns:
            How many were new.
        """
        statement = upsert(messages)
        new = statement.excluded
        edited = and_(
            new.edited_at.is_not(None),
            or_(messages.c.edited_at.is_(None), messages.c.edited_at < new.edited_at),
        )
        statement = statement.on_conflict_do_update(
            index_elements=["chat_id", "id"],
            set_={"text": new.text, "media": new.media, "edited_at": new.edited_at},
            where=edited,
        )
        rows = iter(found)
        added = 0
        while batch := list(islice(rows, BATCH)):
            now = self._clock()
            values = [{**{name: getattr(message, name) for name in _NAMES}, "stored_at": now} for message in batch]
            with self._engine.begin() as connection:
                before = self._known(connection, batch)
                connection.execute(statement, values)
            added += len({(message.chat_id, message.id) for message in batch}) - before
        return added

    def get(self, chat_id: int, message_id: int) -> Message | None:
        """Return a message, or None; a deleted one is None."""
        rows = self._read(_select().where(messages.c.chat_id == chat_id, messages.c.id == message_id))
        return rows[0] if rows else None

    def window(self, chat_id: int, *, limit: int) -> list[Message]:
        """Return the newest `limit` messages of a chat, oldest first."""
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
        """Return the messages of a chat with a greater id, oldest first."""
        query = _select().where(messages.c.chat_id == chat_id, messages.c.id > message_id)
        if origin is not None:
            query = query.where(messages.c.origin == origin)
        return self._read(query.order_by(messages.c.id))

    def newest_id(self, chat_id: int) -> int:
        """Return the greatest message id of a chat, 0 without any; deleted messages count."""
        with self._engine.connect() as connection:
            query = select(func.coalesce(func.max(messages.c.id), 0)).where(messages.c.chat_id == chat_id)
            return int(connection.execute(query).scalar_one())

    def count(self, origin: Origin | None = None, *, since: datetime | None = None) -> int:
        """Count messages, all or of one origin, all or stored after `since`."""
        query = select(func.count()).select_from(messages).where(messages.c.deleted_at.is_(None))
        if origin is not None:
            query = query.where(messages.c.origin == origin)
        if since is not None:
            query = query.where(messages.c.stored_at > since)
        with self._engine.connect() as connection:
            return connection.execute(query).scalar_one()

    def mark_deleted(self, chat_id: int, message_ids: Sequence[int]) -> int:
        """Mark messages as deleted, so that nothing reads them any more; return how many."""
        statement = update(messages).where(messages.c.chat_id == chat_id, messages.c.id.in_(message_ids))
        with self._engine.begin() as connection:
            return connection.execute(statement.values(deleted_at=self._clock(), text="", media=None)).rowcount

    def chats_of(self, message_ids: Sequence[int]) -> dict[int, int]:
        """Find the private or basic-group chats of message ids, as Telegram's deletions of these don't name the chat.

        Returns:
            Chat id by message id. Supergroups and channels (ids below -10¹²) number their messages on their own.
        """
        query = select(messages.c.id, messages.c.chat_id).where(
            messages.c.id.in_(message_ids), messages.c.chat_id > -1_000_000_000_000, messages.c.chat_id < 2**61
        )
        with self._engine.connect() as connection:
            return {row.id: row.chat_id for row in connection.execute(query)}

    def _read(self, query: Select[Any]) -> list[Message]:
        with self._engine.connect().execution_options(read_only=True) as connection:
            return [_message(row) for row in connection.execute(query)]

    @staticmethod
    def _known(connection: Any, batch: Sequence[Message]) -> int:
        # Small batches (live messages) are looked up by key; for bulk imports a range scan of each chat is quicker.
        spans: dict[int, list[int]] = {}
        for message in batch:
            spans.setdefault(message.chat_id, []).append(message.id)
        known = 0
        for chat_id, ids in spans.items():
            wanted = set(ids)
            query = select(messages.c.id).where(
                messages.c.chat_id == chat_id, messages.c.id >= min(ids), messages.c.id <= max(ids)
            )
            known += sum(row.id in wanted for row in connection.execute(query))
        return known


def _select() -> Select[Any]:
    return select(*_VALUES).where(messages.c.deleted_at.is_(None))


def _message(row: Row[Any]) -> Message:
    return Message(**{**row._mapping, "origin": Origin(row.origin)})
