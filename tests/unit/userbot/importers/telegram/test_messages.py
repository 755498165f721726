"""Rows of a chat as messages."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from fixtures.exports.loading import load_rows, load_telegram
from fixtures.exports.shapes import (
    account,
    chat,
    conversation,
    row,
    service,
    write,
)

from userbot.domain.messages import Origin
from userbot.importers.reading.items import Hints
from userbot.importers.reading.source import Source
from userbot.importers.telegram.json import read_telegram
from userbot.store import Store


def test_caption_stays_beside_the_placeholder(store: Store, tmp_path: Path) -> None:
    (message,) = load_rows(store, tmp_path, row(1, "look", photo="p.jpg"))
    assert message.content == "[photo] look"


@pytest.mark.parametrize(
    "fields", [{"forwarded_from": "Zed"}, {"forwarded_from": None}, {"saved_from": "Zed"}, {"saved_from": None}]
)
def test_forwarded_words_are_kept_but_never_the_owners(store: Store, tmp_path: Path, fields: dict[str, Any]) -> None:
    (message,) = load_rows(store, tmp_path, row(1, mine=True, **fields))
    assert message.forwarded
    assert not message.is_own_words


def test_words_of_an_inline_bot_are_never_the_owners(store: Store, tmp_path: Path) -> None:
    (message,) = load_rows(store, tmp_path, row(1, mine=True, via_bot="@gif"))
    assert message.via_bot
    assert not message.is_own_words


def test_anonymous_admin_is_the_group_itself_and_no_owner(store: Store, tmp_path: Path) -> None:
    (message,) = load_rows(store, tmp_path, row(1, from_id="channel5"), kind="private_supergroup")
    assert (message.sender_id, message.origin) == (-1_000_000_000_005, Origin.CONTACT)


def test_time_is_the_unix_time_and_edits_are_dated(store: Store, tmp_path: Path) -> None:
    edited = {"edited": "2023-11-15T01:20:00", "edited_unixtime": "1700000400"}
    (message,) = load_rows(store, tmp_path, row(0) | edited)
    assert message.sent_at == datetime(2023, 11, 14, 22, 13, 20, tzinfo=UTC)
    assert message.edited_at == datetime(2023, 11, 14, 22, 20, tzinfo=UTC)


def test_replies_keep_their_target_unless_it_is_in_another_chat(store: Store, tmp_path: Path) -> None:
    rows = [
        row(1),
        row(2, reply_to_message_id=1),
        row(3, reply_to_message_id=1, reply_to_peer_id="user5"),
    ]
    assert [m.reply_to_id for m in load_rows(store, tmp_path, *rows)] == [None, 1, None]


def test_forum_rows_belong_to_topics_and_are_no_replies_to_them(store: Store, tmp_path: Path) -> None:
    rows = [
        service(1, "topic_created", title="T"),
        row(2, reply_to_message_id=1),
        row(3, reply_to_message_id=2),
    ]
    messages = load_rows(store, tmp_path, *rows, kind="private_supergroup")
    assert [(m.id, m.reply_to_id, m.topic_id) for m in messages] == [(2, None, 1), (3, 2, 1)]


def test_rows_from_before_a_migration_keep_their_negative_ids(store: Store, tmp_path: Path) -> None:
    messages = load_rows(
        store, tmp_path, row(-999_999_995) | {"date_unixtime": "1600000000"}, row(5, "b"), kind="private_supergroup"
    )
    assert [m.id for m in messages] == [-999_999_995, 5]


def test_rows_that_are_no_messages_are_skipped_by_reason(store: Store, tmp_path: Path) -> None:
    rows = [
        row(1),
        service(2, "phone_call", duration_seconds=5),
        service(3, "action_of_the_year_2030"),
        {"id": 4, "type": "service", "date": "2023-11-15T01:13:20", "information_text": "x", "text": ""},
        {"id": 5, "type": "unsupported"},
        {"id": 6, "type": "hologram"},
        row(7, ""),
        row(8) | {"id": "eight"},
        row(9) | {"date": "1970-01-01T03:00:00", "date_unixtime": "0"},
        row(10) | {"id": 2**70},
        row(11) | {"date_unixtime": "9" * 30},
        row(12) | {"date_unixtime": "9999-12-31T23:59:59-12:00"},
        "no row",
    ]
    summary = load_telegram(store, tmp_path, account(chat(rows)))
    assert summary.added == 1
    assert dict(summary.skipped) == {
        "service message": 3,
        "message that the exporter did not support": 1,
        "row of an unknown type": 1,
        "empty message": 1,
        "row without an id": 2,
        "row without a time": 3,
        "damaged row": 1,
    }


def test_imported_messages_have_every_field(tmp_path: Path) -> None:
    path = write(tmp_path / "result.json", account(chat(conversation())))
    source = Source(path)
    batches = [item for item in read_telegram(source, Hints()) if isinstance(item, list)]
    messages = [message for batch in batches for message in batch]
    assert messages
    for message in messages:
        assert replace(message) == message
