"""The schema: what migrations make of an empty database, and how times are stored."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy.dialects import sqlite

from userbot.domain.messages import Chat, ChatKind
from userbot.store import Store
from userbot.store.schema import UtcTime, metadata


def test_upgrade_from_empty_equals_the_metadata(store: Store) -> None:
    with store.engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, metadata) == []


def test_times_come_back_aware_and_to_the_millisecond(store: Store) -> None:
    at = datetime(2026, 1, 5, 12, 0, 0, 123456, tzinfo=timezone(timedelta(hours=3)))
    store.chats.save([Chat(id=5, kind=ChatKind.PRIVATE, title="Ann")])
    store.chats.pause(5, at)
    chat = store.chats.get(5)
    assert chat is not None and chat.paused_until is not None
    assert chat.paused_until.tzinfo is UTC
    assert chat.paused_until == at.replace(microsecond=123000)


def test_time_without_a_zone_is_refused() -> None:
    with pytest.raises(ValueError, match="has no time zone; the store keeps aware times only"):
        UtcTime().process_bind_param(datetime(2026, 1, 5), sqlite.dialect())  # noqa: DTZ001  # what is refused here
