"""Telegram Desktop's JSON: every era and layout, owners, ids, rows, and what is wrong with files."""

from __future__ import annotations

import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from fixtures.exports.shapes import (
    CONTACT,
    ERAS,
    GROUP_SHIFT,
    OWNER,
    OWNER_ID,
    PEER_ID,
    account,
    chat,
    conversation,
    row,
    service,
    write,
)

from userbot.domain.errors import ExportFormatError, OwnerUnknownError
from userbot.domain.messages import ChatKind, Message, Origin
from userbot.importers import ImportSummary, import_file
from userbot.importers.reading.items import Hints
from userbot.importers.reading.source import Source
from userbot.importers.telegram import ids, layout
from userbot.importers.telegram.ids import read_time
from userbot.importers.telegram.json import read_telegram
from userbot.importers.telegram.quick import Draft
from userbot.store import Store, facts

LAYOUTS = ("desktop", "minified", "sorted")


def load(store: Store, tmp_path: Path, export: dict[str, Any], **options: Any) -> ImportSummary:
    return import_file(store, write(tmp_path / "result.json", export), **options)


def load_rows(store: Store, tmp_path: Path, *rows: Any, kind: str = "personal_chat") -> list[Message]:
    summary = load(store, tmp_path, account(chat(rows, kind=kind)))
    return list(store.messages.history(summary.chats[0].chat.id))


@pytest.mark.parametrize("shape", LAYOUTS)
@pytest.mark.parametrize("era", ERAS)
def test_every_era_in_every_layout_gives_the_same_conversation(
    store: Store, tmp_path: Path, era: str, shape: str
) -> None:
    path = write(tmp_path / "result.json", ERAS[era], layout=shape)
    summary = import_file(store, path)
    (only,) = summary.chats
    assert (only.chat.id, only.chat.kind, summary.added) == (PEER_ID, ChatKind.PRIVATE, 4)
    messages = list(store.messages.history(PEER_ID))
    assert [(m.id, m.text, m.origin) for m in sorted(messages, key=lambda m: m.id)] == [
        (1, "text 1", Origin.CONTACT),
        (2, "text 2", Origin.OWNER),
        (3, "text 3", Origin.CONTACT),
        (4, "text 4", Origin.OWNER),
    ]
    assert all(message.edited_at is None for message in messages)
    assert summary.owner_name == OWNER


@pytest.mark.parametrize("era", ERAS)
def test_owner_is_remembered_by_his_id(store: Store, tmp_path: Path, era: str) -> None:
    load(store, tmp_path, ERAS[era])
    assert store.facts.get(facts.OWNER_ID) == OWNER_ID
    assert store.facts.get(facts.OWNER_NAME) == OWNER


def test_second_import_and_an_overlapping_one_add_only_what_is_new(store: Store, tmp_path: Path) -> None:
    assert load(store, tmp_path, account(chat(conversation()))).added == 4
    again = load(store, tmp_path, account(chat(conversation())))
    assert (again.added, again.known) == (0, 4)
    single = load(store, tmp_path, chat([*conversation()[2:], row(5, "new")]))
    assert (single.added, single.known) == (1, 2)


def test_dry_run_stores_nothing(store: Store, tmp_path: Path) -> None:
    summary = load(store, tmp_path, account(chat(conversation())), dry_run=True)
    assert summary.messages == 4
    assert summary.totals == {Origin.CONTACT: 2, Origin.OWNER: 2, Origin.CLONE: 0}
    assert (store.chats.all(), store.facts.get(facts.OWNER_ID)) == ([], None)


@pytest.mark.parametrize("chunk_bytes", [1, 7, 100, 1000])
def test_borders_are_found_wherever_the_pieces_of_the_file_end(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, chunk_bytes: int
) -> None:
    monkeypatch.setattr(layout, "CHUNK_BYTES", chunk_bytes)
    tricky = [row(1, '}\n     },\n     {"id"'), row(2, "    ]\n    ]", mine=True), row(3, "\\")]
    export = account(chat(tricky), chat([], chat_id=7), chat([row(9)], chat_id=8, kind="bot_chat"))
    summary = load(store, tmp_path, export)
    assert summary.added == 4
    assert [m.text for m in store.messages.history(PEER_ID)] == [one["text"] for one in tricky]
    assert summary.truncated_after is None


def test_progress_ends_at_the_size_of_the_file(store: Store, tmp_path: Path) -> None:
    seen: list[tuple[int, int]] = []
    path = write(tmp_path / "result.json", account(chat(conversation())))
    import_file(store, path, progress=lambda done, total: seen.append((done, total)))
    assert seen[-1] == (path.stat().st_size, path.stat().st_size)


# --- the owner


def test_single_chat_tells_the_owner_by_the_peers_id(store: Store, tmp_path: Path) -> None:
    rows = [row(1) | {"from": None}, row(2, mine=True)]
    summary = load(store, tmp_path, chat(rows, name=None))
    assert summary.chats[0].counts == {Origin.CONTACT: 1, Origin.OWNER: 1}
    assert summary.chats[0].chat.title == "Deleted account"


def test_saved_messages_tell_the_owner_where_the_account_is_left_out(store: Store, tmp_path: Path) -> None:
    saved = chat([row(9, mine=True)], kind="saved_messages", chat_id=OWNER_ID)
    export = account(chat(conversation()), saved, with_owner=False)
    assert load(store, tmp_path, export).totals[Origin.OWNER] == 3


def test_writer_in_most_private_chats_is_the_owner(store: Store, tmp_path: Path) -> None:
    chats = [chat(conversation(), chat_id=PEER_ID), chat([row(9, mine=True)], chat_id=77)]
    load(store, tmp_path, account(*chats, with_owner=False))
    assert store.facts.get(facts.OWNER_ID) == OWNER_ID


def test_unknown_owner_of_a_group_is_asked_for_with_the_candidates(store: Store, tmp_path: Path) -> None:
    export = chat([*conversation(), row(5)], kind="private_supergroup", chat_id=5)
    with pytest.raises(OwnerUnknownError) as caught:
        load(store, tmp_path, export)
    assert str(caught.value) == (
        f"{tmp_path / 'result.json'}: nothing in this export says which sender is you. "
        f"Name yourself with --me NAME; the senders are {CONTACT} (3), {OWNER} (2)."
    )
    assert store.chats.all() == []


@pytest.mark.parametrize("me", [OWNER, "olga test", f"user{OWNER_ID}", str(OWNER_ID)])
def test_group_takes_the_owner_from_me(store: Store, tmp_path: Path, me: str) -> None:
    export = chat(conversation(), kind="private_supergroup", chat_id=5)
    assert load(store, tmp_path, export, me=me).totals[Origin.OWNER] == 2


def test_group_takes_the_owner_that_the_store_knows(store: Store, tmp_path: Path) -> None:
    export = chat(conversation(), kind="private_group", chat_id=5)
    summary = load(store, tmp_path, export, owner_id=OWNER_ID)
    assert summary.totals[Origin.OWNER] == 2
    assert {m.sender_name for m in store.messages.history(-5)} == {OWNER, CONTACT}


def test_unknown_me_is_refused_with_the_candidates(store: Store, tmp_path: Path) -> None:
    with pytest.raises(OwnerUnknownError) as caught:
        load(store, tmp_path, chat(conversation()), me="Zed")
    assert str(caught.value) == (
        f"{tmp_path / 'result.json'}: no sender is 'Zed'. Give --me one of {CONTACT} (2), {OWNER} (2)."
    )


def test_two_senders_of_one_name_are_told_apart_by_id(store: Store, tmp_path: Path) -> None:
    export = chat([row(1) | {"from": OWNER}, row(2, mine=True)], kind="private_group", chat_id=5)
    with pytest.raises(OwnerUnknownError, match=r"2 senders .* Give an id with --me: user1001 \(1\), user2002 \(1\)"):
        load(store, tmp_path, export, me=OWNER)


def test_export_of_another_account_is_imported_with_a_warning(store: Store, tmp_path: Path) -> None:
    summary = load(store, tmp_path, account(chat(conversation())), owner_id=42)
    assert "belongs to user 1001, not to the owner 42" in summary.warnings[0]


def test_group_after_an_account_needs_no_name(store: Store, tmp_path: Path) -> None:
    load(store, tmp_path, account(chat(conversation())))
    assert load(store, tmp_path, chat(conversation(), kind="private_group", chat_id=5)).totals[Origin.OWNER] == 2


# --- chats


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
    summary = load(store, tmp_path, account(chat(conversation(), kind=kind, chat_id=chat_id)))
    assert [(one.chat.id, one.chat.kind) for one in summary.chats] == [(expected_id, expected)]


def test_ids_of_old_groups_lose_their_shift(store: Store, tmp_path: Path) -> None:
    rows = [one | {"from_id": OWNER_ID} for one in conversation()]
    for one in rows:
        del one["date_unixtime"]
    summary = load(store, tmp_path, account(chat(rows, kind="private_group", chat_id=5 + GROUP_SHIFT)))
    assert summary.chats[0].chat.id == -5


def test_large_user_ids_of_today_keep_their_value(store: Store, tmp_path: Path) -> None:
    peer_id = 7_000_000_001
    rows = [row(1, from_id=f"user{peer_id}"), row(2, mine=True)]
    assert load(store, tmp_path, chat(rows, chat_id=peer_id)).chats[0].chat.id == peer_id


def test_chat_of_an_unknown_kind_is_left_out_and_counted(store: Store, tmp_path: Path) -> None:
    odd = chat(conversation(), chat_id=6) | {"type": None}
    summary = load(store, tmp_path, account(chat(conversation()), odd))
    assert (summary.added, dict(summary.skipped)) == (4, {"row of a chat of an unknown kind": 4})


def test_private_chat_is_called_by_the_peers_full_name(store: Store, tmp_path: Path) -> None:
    assert load(store, tmp_path, account(chat(conversation()))).chats[0].chat.title == CONTACT


def test_left_chats_are_imported_too(store: Store, tmp_path: Path) -> None:
    export = account(chat(conversation()))
    export["left_chats"] = {"list": [chat(conversation(), kind="private_supergroup", chat_id=5, name="Old")]}
    assert [one.chat.title for one in load(store, tmp_path, export).chats] == ["Old", CONTACT]


def test_group_of_own_messages_only_is_marked_and_warned_about(store: Store, tmp_path: Path) -> None:
    own = chat([row(1, mine=True)], kind="private_group", chat_id=5, name="Club")
    whole = chat(conversation(), kind="private_group", chat_id=6, name="Team")
    summary = load(store, tmp_path, account(own, whole))
    assert {one.id: one.own_only for one in store.chats.all()} == {-5: True, -6: False}
    (warning,) = summary.warnings
    assert warning == (
        "1 group holds only your messages, which can't be trained on: Club. "
        'To train on them, export again with "Only my messages" unticked.'
    )


def test_group_known_with_context_stays_so_after_an_export_of_own_messages(store: Store, tmp_path: Path) -> None:
    load(store, tmp_path, account(chat(conversation(), kind="private_group", chat_id=5)))
    load(store, tmp_path, account(chat([row(2, mine=True)], kind="private_group", chat_id=5)))
    assert not store.chats.all()[0].own_only


def test_group_gets_its_context_from_a_later_whole_export(store: Store, tmp_path: Path) -> None:
    load(store, tmp_path, account(chat([row(2, mine=True)], kind="private_group", chat_id=5)))
    load(store, tmp_path, account(chat(conversation(), kind="private_group", chat_id=5)))
    assert not store.chats.all()[0].own_only


# --- rows


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"media_type": "sticker", "sticker_emoji": "😀", "file": "x.webp"}, "😀"),
        ({"media_type": "sticker", "file": "x.webp"}, "[sticker]"),
        ({"media_type": "voice_message", "duration_seconds": 7}, "[voice 0:07]"),
        ({"media_type": "video_message", "duration_seconds": 12}, "[video message 0:12]"),
        ({"media_type": "video_file", "duration_seconds": 63}, "[video 1:03]"),
        ({"media_type": "video_file"}, "[video]"),
        ({"media_type": "animation"}, "[gif]"),
        ({"media_type": "audio_file", "performer": "A", "title": "B"}, "[audio A – B]"),
        ({"media_type": "audio_file", "duration_seconds": 5}, "[audio 0:05]"),
        ({"media_type": "hologram", "file_name": "x.bin"}, "[file x.bin]"),
        ({"photo": "photos/1.jpg"}, "[photo]"),
        ({"file": "files/plan.pdf"}, "[file plan.pdf]"),
        ({"file": "(File not included. Change data exporting settings to download.)"}, "[file]"),
        ({"file": "(File not included.)", "file_name": "plan\nb.pdf"}, "[file plan b.pdf]"),
        ({"contact_information": {"first_name": "A", "phone_number": "+49 1"}}, "[contact]"),
        ({"location_information": {"latitude": 1.5, "longitude": 2}}, "[location]"),
        ({"location_information": None, "live_location_period_seconds": 900}, "[live location]"),
        ({"place_name": "Kino", "location_information": {}}, "[location Kino]"),
        ({"poll": {"question": "Who?", "answers": []}}, "[poll: Who?]"),
        ({"poll": {"question": ["Wh", {"type": "bold", "text": "o?"}]}}, "[poll: Who?]"),
        ({"poll": "odd"}, "[poll]"),
        ({"todo_list": {"title": "Buy"}}, "[to-do: Buy]"),
        ({"game_title": "Chess"}, "[game Chess]"),
        ({"invoice_information": "{}"}, "[invoice]"),
        ({"giveaway_information": {}}, "[giveaway]"),
        ({"paid_stars_amount": 3}, "[paid media]"),
    ],
)
def test_media_become_placeholders(store: Store, tmp_path: Path, fields: dict[str, Any], expected: str) -> None:
    (message,) = load_rows(store, tmp_path, row(1, "", **fields))
    assert (message.media, message.text) == (expected, "")


def test_caption_stays_beside_the_placeholder(store: Store, tmp_path: Path) -> None:
    (message,) = load_rows(store, tmp_path, row(1, "look", photo="p.jpg"))
    assert message.content == "[photo] look"


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"text": ["see ", {"type": "link", "text": "https://a.b"}, " and ", {"type": "phone", "text": "112"}]},
         "see https://a.b and 112"),
        ({"text": [{"type": "custom_emoji", "text": "😀", "document_id": "1"}]}, "😀"),
        ({"text": "line\nbreak\u2028x"}, "line\nbreak\u2028x"),
        ({"text": "", "text_entities": [{"type": "plain", "text": "only here"}]}, "only here"),
        ({"text": [1, {"text": None}, "kept"]}, "kept"),
    ],
)  # fmt: skip
def test_text_is_joined_from_every_form(store: Store, tmp_path: Path, fields: dict[str, Any], expected: str) -> None:
    (message,) = load_rows(store, tmp_path, row(1) | fields)
    assert message.text == expected


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


def test_last_edit_wins_over_what_is_stored(store: Store, tmp_path: Path) -> None:
    load_rows(store, tmp_path, row(1, "first"))
    (message,) = load_rows(store, tmp_path, row(1, "last", edited="x", edited_unixtime="1700009999"))
    assert message.text == "last"


def test_times_without_a_zone_are_this_computers_and_said_to_be(store: Store, tmp_path: Path) -> None:
    summary = load(store, tmp_path, ERAS["2.7.2 full, string ids"])
    assert summary.warnings == (
        "Rows without a unix time (exports made before June 2022) were read as times of this computer's zone.",
    )
    expected = datetime(2023, 11, 15, 1, 13, 20).astimezone(UTC)
    assert {m.sent_at for m in store.messages.history(PEER_ID)} == {expected}


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
    summary = load(store, tmp_path, account(chat(rows)))
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


def test_wrongly_typed_field_costs_that_field_only(store: Store, tmp_path: Path) -> None:
    (message,) = load_rows(store, tmp_path, row(1, "kept", duration_seconds="x", reply_to_message_id=[1], photo=7))
    assert (message.text, message.media, message.reply_to_id) == ("kept", None, None)


def test_finished_draft_is_a_message() -> None:
    at = datetime(2026, 1, 1, tzinfo=UTC)
    values: list[Any] = [1, 2, Origin.CONTACT, at, "a", "m", 3, "n", 4, 5, True, True, at]
    fields: dict[str, Any] = dict(zip(Message.__slots__, values, strict=True))
    made: object = Draft()
    for name, value in fields.items():
        setattr(made, name, value)
    made.__class__ = Message
    assert isinstance(made, Message)
    assert made == Message(**fields)
    assert hash(made) == hash(Message(**fields))


def test_imported_messages_have_every_field(tmp_path: Path) -> None:
    path = write(tmp_path / "result.json", account(chat(conversation())))
    source = Source(path)
    batches = [found for found in read_telegram(source, Hints()) if isinstance(found, list)]
    messages = [message for batch in batches for message in batch]
    assert messages
    for message in messages:
        assert replace(message) == message


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


# --- damage


@pytest.mark.parametrize("shape", LAYOUTS)
def test_control_characters_written_as_hex_are_mended(store: Store, tmp_path: Path, shape: str) -> None:
    path = write(
        tmp_path / "result.json", account(chat([row(1, "a§x0Bb"), row(2, "c\\x0Bd"), row(3, "e")])), layout=shape
    )
    path.write_text(path.read_text().replace("§", "\\"))
    assert import_file(store, path).added == 3
    assert [m.text for m in store.messages.history(PEER_ID)] == ["a\x0bb", "c\\x0Bd", "e"]


@pytest.mark.parametrize("shape", LAYOUTS)
def test_lone_surrogates_and_invalid_bytes_are_replaced(store: Store, tmp_path: Path, shape: str) -> None:
    path = write(
        tmp_path / "result.json", account(chat([row(1, "a§ud83db"), row(2, "€"), row(3, "§ud83d§ude00")])), layout=shape
    )
    path.write_bytes(path.read_bytes().replace("§".encode(), b"\\").replace("€".encode(), b"\xff"))
    import_file(store, path)
    assert [m.text for m in store.messages.history(PEER_ID)] == ["a\ufffdb", "\ufffd", "😀"]


def test_malformed_row_is_skipped_and_its_neighbours_are_not(store: Store, tmp_path: Path) -> None:
    path = write(tmp_path / "result.json", account(chat([row(1), row(2, "BROKEN"), row(3)])))
    path.write_text(path.read_text().replace('"text": "BROKEN"', '"text": "BROKEN'))
    summary = import_file(store, path)
    assert (summary.added, dict(summary.skipped)) == (2, {"damaged row": 1})


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


def test_damage_in_another_layout_is_refused_with_its_place(store: Store, tmp_path: Path) -> None:
    path = write(tmp_path / "result.json", account(chat(conversation())), layout="minified")
    path.write_text(path.read_text().replace('"text 3",', '"text 3",,'))
    with pytest.raises(ExportFormatError) as caught:
        import_file(store, path)
    assert str(caught.value) == (
        f"{path} is damaged JSON before byte {path.stat().st_size}: expected the rest of an export. "
        f"Export it again; if a program changed the file, use the original."
    )


def test_account_without_chats_says_what_to_tick(store: Store, tmp_path: Path) -> None:
    export = account()
    del export["chats"]
    with pytest.raises(ExportFormatError) as caught:
        load(store, tmp_path, export)
    assert str(caught.value) == (
        f"{tmp_path / 'result.json'} holds no chats: expected a list of chats with messages. "
        f'Export again with "Personal chats" ticked, format JSON.'
    )
