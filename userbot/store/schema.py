"""Tables. Migrations are generated from here; a test keeps both equal."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from math import floor
from typing import Any

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
)
from sqlalchemy.engine import Dialect
from sqlalchemy.types import TypeDecorator

from userbot.domain.messages import PromptName

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)


class UtcTime(TypeDecorator[datetime]):
    """An aware UTC time, stored as integer milliseconds since 1970: compact, sortable, the same in every database."""

    impl = BigInteger
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> int | None:
        """Turn an aware time into milliseconds.

        Raises:
            ValueError: The time has no zone.
        """
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError(f"{value!r} has no time zone; the store keeps aware times only")
        return round(value.timestamp() * 1000)

    def process_result_value(self, value: int | None, dialect: Dialect) -> datetime | None:
        """Turn milliseconds into an aware time."""
        return None if value is None else datetime.fromtimestamp(value / 1000, UTC)


class PromptNames(TypeDecorator[tuple[PromptName, ...]]):
    """Names with the times since when they hold, stored as JSON: `[["Vera", 1767614400000], …]`."""

    impl = JSON
    cache_ok = True

    def process_bind_param(self, value: Sequence[PromptName] | None, dialect: Dialect) -> list[list[Any]]:
        """Turn names into pairs of a text and milliseconds since 1970."""
        return [[named.name, floor(named.since.timestamp() * 1000)] for named in value or ()]

    def process_result_value(self, value: list[list[Any]] | None, dialect: Dialect) -> tuple[PromptName, ...]:
        """Turn pairs back into names."""
        return tuple(PromptName(name, datetime.fromtimestamp(at / 1000, UTC)) for name, at in value or ())


chats = Table(
    "chats",
    metadata,
    Column("id", BigInteger, primary_key=True, autoincrement=False),
    Column("kind", String(16), nullable=False),
    Column("title", String, nullable=False),
    Column("source", String(16), nullable=False),
    Column("username", String),
    Column("former_usernames", JSON, nullable=False, default=list, server_default="[]"),
    Column("prompt_names", PromptNames, nullable=False, default=tuple, server_default="[]"),
    Column("told_title", String),
    Column("access_hash", BigInteger),
    Column("own_only", Boolean, nullable=False, default=False),
    Column("relationship", String),
    Column("mode", String(8), nullable=False, default="off"),
    Column("consent_at", UtcTime),
    Column("consent_by", String),
    Column("paused_until", UtcTime),
    Column("handled_id", BigInteger, nullable=False, default=0),
)

messages = Table(
    "messages",
    metadata,
    Column("chat_id", ForeignKey("chats.id", ondelete="CASCADE"), primary_key=True),
    Column("id", BigInteger, primary_key=True, autoincrement=False),
    Column("origin", String(8), nullable=False),
    Column("sent_at", UtcTime, nullable=False),
    Column("text", Text, nullable=False),
    Column("media", Text),
    Column("sender_id", BigInteger),
    Column("sender_name", String),
    Column("reply_to_id", BigInteger),
    Column("topic_id", BigInteger),
    Column("forwarded", Boolean, nullable=False, default=False),
    Column("via_bot", Boolean, nullable=False, default=False),
    Column("edited_at", UtcTime),
    Column("deleted_at", UtcTime),
    Column("stored_at", UtcTime, nullable=False),
    Index(None, "chat_id", "sent_at", "id"),
    sqlite_with_rowid=False,
)

members = Table(
    "members",
    metadata,
    Column("chat_id", ForeignKey("chats.id", ondelete="CASCADE"), primary_key=True),
    Column("sender_id", BigInteger, primary_key=True, autoincrement=False),
    Column("name", String, nullable=False),
    sqlite_with_rowid=False,
)

consents = Table(
    "consents",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("account_id", BigInteger),
    Column("chat_id", BigInteger),
    Column("action", String(16), nullable=False),
    Column("members", JSON),
    Column("since", UtcTime),
    Column("at", UtcTime, nullable=False),
    Column("given_by", String),
    Column("wording", Text),
    Column("reason", Text),
    Column("origin", String(32), nullable=False),
    Index(None, "chat_id", "id"),
    sqlite_autoincrement=True,
)

tombstones = Table(
    "tombstones",
    metadata,
    Column("chat_id", BigInteger, primary_key=True, autoincrement=False),
    Column("person_id", BigInteger, primary_key=True, autoincrement=False),
    Column("same_as", BigInteger, nullable=False),
    Column("forgotten_at", UtcTime, nullable=False),
    Column("up_to_id", BigInteger, nullable=False),
    sqlite_with_rowid=False,
)

replies = Table(
    "replies",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("chat_id", ForeignKey("chats.id", ondelete="CASCADE"), nullable=False),
    Column("trigger_id", BigInteger, nullable=False),
    Column("state", String(16), nullable=False),
    Column("reason", String),
    Column("adapter_id", String),
    Column("context_ids", JSON, nullable=False),
    Column("timings", JSON, nullable=False),
    Column("created_at", UtcTime, nullable=False),
    UniqueConstraint("chat_id", "trigger_id"),
    Index(None, "created_at"),
)

generations = Table(
    "generations",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("chat_id", ForeignKey("chats.id", ondelete="CASCADE"), nullable=False),
    Column("at", UtcTime, nullable=False),
    Index(None, "at"),
)

outbox = Table(
    "outbox",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("reply_id", ForeignKey("replies.id", ondelete="CASCADE"), nullable=False),
    Column("chat_id", BigInteger, nullable=False),
    Column("part", Integer, nullable=False),
    Column("text", Text, nullable=False),
    Column("random_id", BigInteger, nullable=False, unique=True),
    Column("reply_to_id", BigInteger),
    Column("state", String(16), nullable=False),
    Column("message_id", BigInteger),
    Column("attempts", Integer, nullable=False, default=0),
    Column("typing_at", UtcTime, nullable=False),
    Column("due_at", UtcTime, nullable=False),
    Column("sent_at", UtcTime),
    UniqueConstraint("reply_id", "part"),
    Index(None, "state", "due_at"),
    Index(None, "chat_id", "message_id"),
)

commands = Table(
    "commands",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("verb", String, nullable=False),
    Column("argument", Text, nullable=False),
    Column("created_at", UtcTime, nullable=False),
    Column("done_at", UtcTime),
    Column("answer", Text),
    Column("failed", Boolean, nullable=False, default=False),
)

facts = Table(
    "facts",
    metadata,
    Column("key", String, primary_key=True),
    Column("value", JSON, nullable=False),
)

disclosure_terms = Table(
    "disclosure_terms",
    metadata,
    Column("term", BigInteger, primary_key=True, autoincrement=False),
    Column("chat_id", BigInteger, primary_key=True, autoincrement=False),
    Column("owner_n", Integer, nullable=False),
    Column("contact_n", Integer, nullable=False),
    Column("marked_n", Integer, nullable=False),
    Column("first_at", BigInteger, nullable=False),
    Index(None, "chat_id"),
    sqlite_with_rowid=False,
)

disclosure_queue = Table(
    "disclosure_queue",
    metadata,
    Column("chat_id", BigInteger, primary_key=True, autoincrement=False),
    Column("id", BigInteger, primary_key=True, autoincrement=False),
    Column("was", Text),
    Column("was_origin", String(8)),
    sqlite_with_rowid=False,
)

disclosure_recounts = Table(
    "disclosure_recounts",
    metadata,
    Column("chat_id", BigInteger, primary_key=True, autoincrement=False),
    sqlite_with_rowid=False,
)

withheld_answers = Table(
    "withheld_answers",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("chat_id", ForeignKey("chats.id", ondelete="CASCADE"), nullable=False),
    Column("trigger_id", BigInteger, nullable=False),
    Column("kind", String, nullable=False),
    Column("text", Text, nullable=False),
    Column("created_at", UtcTime, nullable=False),
    Index(None, "chat_id", "created_at"),
)

WORDS_CHANGED = (
    (
        # Nothing waits for a message that is new, as the last trigger sees to it; looking would cost imports a fifth.
        "CREATE TRIGGER disclosure_added AFTER INSERT ON messages WHEN NEW.text <> '' AND NEW.origin <> 'clone' BEGIN "
        "INSERT OR IGNORE INTO disclosure_queue (chat_id, id) VALUES (NEW.chat_id, NEW.id); END"
    ),
    (
        # Not `OR IGNORE`: what the statement that fires a trigger says about conflicts holds inside it too.
        "CREATE TRIGGER disclosure_changed AFTER UPDATE OF text, origin ON messages "
        "WHEN OLD.text <> NEW.text OR OLD.origin <> NEW.origin BEGIN "
        "INSERT INTO disclosure_queue (chat_id, id, was, was_origin) "
        "SELECT OLD.chat_id, OLD.id, OLD.text, OLD.origin WHERE NOT EXISTS "
        "(SELECT 1 FROM disclosure_queue WHERE chat_id = OLD.chat_id AND id = OLD.id); END"
    ),
    (
        "CREATE TRIGGER disclosure_removed AFTER DELETE ON messages BEGIN "
        "DELETE FROM disclosure_queue WHERE chat_id = OLD.chat_id AND id = OLD.id; "
        "INSERT INTO disclosure_recounts (chat_id) SELECT OLD.chat_id WHERE NOT EXISTS "
        "(SELECT 1 FROM disclosure_recounts WHERE chat_id = OLD.chat_id); END"
    ),
)
"""Whatever changes a message's words also leaves it to the disclosure index, in the same transaction.

The database does it, so that no way of storing, editing or deleting can forget to. Only the first state since the
last look is kept (`was`), as that is the one that the index knows; a new message has none. Of a row that is deleted
nothing is kept, as it may be deleted to be forgotten, in a backup too: its whole chat is counted again.
"""

QUEUE_ALL = (
    "INSERT OR IGNORE INTO disclosure_queue (chat_id, id) SELECT chat_id, id FROM messages "
    "WHERE deleted_at IS NULL AND text <> '' AND origin <> 'clone'"
)
"""Leaves every message to the disclosure index: about a second for a million."""
