"""Telegram Desktop's JSON as a whole: every era and layout, its chats, and files that end early."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest
from fixtures.exports.loading import load_telegram
from fixtures.exports.shapes import (
    CONTACT,
    CONTACT_ID,
    ERAS,
    OWNER,
    account,
    chat,
    conversation,
    write,
)

from userbot.domain.errors import ExportFormatError
from userbot.domain.messages import ChatKind, Origin
from userbot.importers import import_file
from userbot.store import Store

LAYOUTS = ("desktop", "minified", "sorted")


@pytest.mark.parametrize("shape", LAYOUTS)
@pytest.mark.parametrize("era", ERAS)
def test_every_era_in_every_layout_gives_the_same_conversation(
    store: Store, tmp_path: Path, era: str, shape: str
) -> None:
    path = write(tmp_path / "result.json", ERAS[era], layout=shape)
    summary = import_file(store, path)
    (only,) = summary.chats
    assert (only.chat.id, only.chat.kind, summary.added) == (CONTACT_ID, ChatKind.PRIVATE, 4)
    messages = list(store.messages.history(CONTACT_ID))
    assert [(m.id, m.text, m.origin) for m in sorted(messages, key=lambda m: m.id)] == [
        (1, "text 1", Origin.CONTACT),
        (2, "text 2", Origin.OWNER),
        (3, "text 3", Origin.CONTACT),
        (4, "text 4", Origin.OWNER),
    ]
    assert all(message.edited_at is None for message in messages)
    assert summary.owner_name == OWNER


def test_chat_of_an_unknown_kind_is_left_out_and_counted(store: Store, tmp_path: Path) -> None:
    odd = chat(conversation(), chat_id=6) | {"type": None}
    summary = load_telegram(store, tmp_path, account(chat(conversation()), odd))
    assert (summary.added, dict(summary.skipped)) == (4, {"row of a chat of an unknown kind": 4})


def test_private_chat_is_called_by_the_contacts_full_name(store: Store, tmp_path: Path) -> None:
    assert load_telegram(store, tmp_path, account(chat(conversation()))).chats[0].chat.title == CONTACT


def test_left_chats_are_imported_too(store: Store, tmp_path: Path) -> None:
    export = account(chat(conversation()))
    export["left_chats"] = {"list": [chat(conversation(), kind="private_supergroup", chat_id=5, name="Old")]}
    assert [one.chat.title for one in load_telegram(store, tmp_path, export).chats] == ["Old", CONTACT]


def test_times_without_a_zone_are_this_computers_and_said_to_be(store: Store, tmp_path: Path) -> None:
    summary = load_telegram(store, tmp_path, ERAS["2.7.2 full, string ids"])
    assert summary.warnings == (
        "Rows without a unix time (exports made before June 2022) were read as times of this computer's zone.",
    )
    expected = datetime(2023, 11, 15, 1, 13, 20).astimezone(UTC)
    assert {m.sent_at for m in store.messages.history(CONTACT_ID)} == {expected}


@pytest.mark.parametrize("shape", ["desktop", "minified"])
def test_truncated_file_gives_what_is_whole_and_says_where_it_ends(store: Store, tmp_path: Path, shape: str) -> None:
    path = write(tmp_path / "result.json", account(chat(conversation())), layout=shape)
    raw = path.read_bytes()
    cut = raw.index(b"text 4")
    path.write_bytes(raw[:cut])
    summary = import_file(store, path)
    assert summary.added == 3
    assert summary.truncated_after is not None
    assert summary.truncated_after.startswith("after 3 messages, at byte ")
    assert 0 < int(summary.truncated_after.rsplit(" ", 1)[1]) <= cut
    path.write_bytes(raw)
    assert (whole := import_file(store, path)).added == 1
    assert whole.truncated_after is None


def test_file_cut_at_any_byte_never_loses_a_whole_row(store: Store, tmp_path: Path) -> None:
    path = write(tmp_path / "result.json", chat(conversation()))
    raw = path.read_bytes()
    first = raw.index(b'"text": "text 1"')
    for cut in range(first, len(raw), 13):
        path.write_bytes(raw[:cut])
        whole = raw[:cut].count(b"\n  }")
        if whole:
            summary = import_file(None, path, dry_run=True)
            assert summary.messages == whole
            assert summary.truncated_after is not None
        else:
            with pytest.raises(ExportFormatError):
                import_file(None, path, dry_run=True)


def test_account_without_chats_says_what_to_tick(store: Store, tmp_path: Path) -> None:
    export = account()
    del export["chats"]
    with pytest.raises(ExportFormatError) as caught:
        load_telegram(store, tmp_path, export)
    assert str(caught.value) == (
        f"{tmp_path / 'result.json'} holds no chats: expected a list of chats with messages. "
        f'Export again with "Personal chats" ticked, format JSON.'
    )
