"""Ids and times of every era."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from fixtures.exports.loading import load_telegram
from fixtures.exports.shapes import (
    GROUP_SHIFT,
    OWNER_ID,
    account,
    chat,
    conversation,
    row,
)

from userbot.domain.messages import ChatKind
from userbot.importers.telegram import ids
from userbot.importers.telegram.ids import read_time
from userbot.store import Store


@pytest.mark.parametrize(
    ("kind", "chat_id", "expected_id", "expected"),
    [
        ("personal_chat", 5, 5, ChatKind.PRIVATE),
        ("personal_chat", 777000, 777000, ChatKind.SERVICE),
        ("bot_chat", 5, 5, ChatKind.BOT),
        ("saved_messages", OWNER_ID, OWNER_ID, ChatKind.SAVED),
        ("replies", 5, 5, ChatKind.SERVICE),
        ("verification_codes", 5, 5, ChatKind.SERVICE),
        ("private_group", 5, -5, ChatKind.GROUP),
        ("private_supergroup", 5, -1_000_000_000_005, ChatKind.GROUP),
        ("public_supergroup", 5, -1_000_000_000_005, ChatKind.GROUP),
        ("private_channel", 5, -1_000_000_000_005, ChatKind.CHANNEL),
        ("public_channel", 5, -1_000_000_000_005, ChatKind.CHANNEL),
    ],
)
def test_kinds_and_marked_ids(
    store: Store, tmp_path: Path, kind: str, chat_id: int, expected_id: int, expected: ChatKind
) -> None:
    summary = load_telegram(store, tmp_path, account(chat(conversation(), kind=kind, chat_id=chat_id)))
    assert [(one.chat.id, one.chat.kind) for one in summary.chats] == [(expected_id, expected)]


def test_ids_of_old_groups_lose_their_shift(store: Store, tmp_path: Path) -> None:
    rows = [one | {"from_id": OWNER_ID} for one in conversation()]
    for one in rows:
        del one["date_unixtime"]
    summary = load_telegram(store, tmp_path, account(chat(rows, kind="private_group", chat_id=5 + GROUP_SHIFT)))
    assert summary.chats[0].chat.id == -5


def test_large_user_ids_of_today_keep_their_value(store: Store, tmp_path: Path) -> None:
    contact_id = 7_000_000_001
    rows = [row(1, from_id=f"user{contact_id}"), row(2, mine=True)]
    assert load_telegram(store, tmp_path, chat(rows, chat_id=contact_id)).chats[0].chat.id == contact_id


@pytest.mark.parametrize("zone", ["Europe/Berlin", "America/St_Johns", "Australia/Lord_Howe", "UTC"])
def test_local_times_follow_the_zone_through_its_changes(monkeypatch: pytest.MonkeyPatch, zone: str) -> None:
    monkeypatch.setenv("TZ", zone)
    time.tzset()
    ids._find_start.cache_clear()
    try:
        start = datetime(2021, 1, 1)  # noqa: DTZ001 - a local time is meant
        for local in (start + timedelta(minutes=35 * step) for step in range(365 * 24 * 60 // 35)):
            assert read_time(local.isoformat(), None) == local.astimezone(UTC)
    finally:
        monkeypatch.undo()
        time.tzset()
        ids._find_start.cache_clear()
