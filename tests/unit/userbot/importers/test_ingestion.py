"""What an import stores, counts and warns about."""

from __future__ import annotations

from pathlib import Path

import pytest
from fixtures.exports.loading import load_rows, load_telegram
from fixtures.exports.shapes import (
    ERAS,
    OWNER,
    OWNER_ID,
    account,
    chat,
    conversation,
    row,
    write,
)

from userbot.domain.messages import Origin
from userbot.importers import import_file
from userbot.store import Store, facts


@pytest.mark.parametrize("era", ERAS)
def test_owner_is_remembered_by_their_id(store: Store, tmp_path: Path, era: str) -> None:
    load_telegram(store, tmp_path, ERAS[era])
    assert store.facts.get(facts.OWNER_ID) == OWNER_ID
    assert store.facts.get(facts.OWNER_NAME) == OWNER


def test_second_import_and_an_overlapping_one_add_only_what_is_new(store: Store, tmp_path: Path) -> None:
    assert load_telegram(store, tmp_path, account(chat(conversation()))).added == 4
    again = load_telegram(store, tmp_path, account(chat(conversation())))
    assert (again.added, again.known) == (0, 4)
    single = load_telegram(store, tmp_path, chat([*conversation()[2:], row(5, "new")]))
    assert (single.added, single.known) == (1, 2)


def test_dry_run_stores_nothing(store: Store, tmp_path: Path) -> None:
    summary = load_telegram(store, tmp_path, account(chat(conversation())), dry_run=True)
    assert summary.messages == 4
    assert summary.totals == {Origin.CONTACT: 2, Origin.OWNER: 2, Origin.CLONE: 0}
    assert (store.chats.all(), store.facts.get(facts.OWNER_ID)) == ([], None)


def test_progress_ends_at_the_size_of_the_file(store: Store, tmp_path: Path) -> None:
    seen: list[tuple[int, int]] = []
    path = write(tmp_path / "result.json", account(chat(conversation())))
    import_file(store, path, progress=lambda done, total: seen.append((done, total)))
    assert seen[-1] == (path.stat().st_size, path.stat().st_size)


def test_export_of_another_account_is_imported_with_a_warning(store: Store, tmp_path: Path) -> None:
    summary = load_telegram(store, tmp_path, account(chat(conversation())), owner_id=42)
    assert "belongs to user 1001, not to the owner 42" in summary.warnings[0]


def test_group_of_own_messages_only_is_marked_and_warned_about(store: Store, tmp_path: Path) -> None:
    own = chat([row(1, mine=True)], kind="private_group", chat_id=5, name="Club")
    whole = chat(conversation(), kind="private_group", chat_id=6, name="Team")
    summary = load_telegram(store, tmp_path, account(own, whole))
    assert {one.id: one.own_only for one in store.chats.all()} == {-5: True, -6: False}
    (warning,) = summary.warnings
    assert warning == (
        "1 group holds only your messages, which can't be trained on: Club. "
        'To train on them, export again with "Only my messages" unticked.'
    )


def test_group_known_with_context_stays_so_after_an_export_of_own_messages(store: Store, tmp_path: Path) -> None:
    load_telegram(store, tmp_path, account(chat(conversation(), kind="private_group", chat_id=5)))
    load_telegram(store, tmp_path, account(chat([row(2, mine=True)], kind="private_group", chat_id=5)))
    assert not store.chats.all()[0].own_only


def test_group_gets_its_context_from_a_later_whole_export(store: Store, tmp_path: Path) -> None:
    load_telegram(store, tmp_path, account(chat([row(2, mine=True)], kind="private_group", chat_id=5)))
    load_telegram(store, tmp_path, account(chat(conversation(), kind="private_group", chat_id=5)))
    assert not store.chats.all()[0].own_only


def test_last_edit_wins_over_what_is_stored(store: Store, tmp_path: Path) -> None:
    load_rows(store, tmp_path, row(1, "first"))
    (message,) = load_rows(store, tmp_path, row(1, "last", edited="x", edited_unixtime="1700009999"))
    assert message.text == "last"


@pytest.mark.parametrize("year", [1402, 1970, 3024])
def test_rows_of_years_in_which_nobody_wrote_are_left_out_and_named(store: Store, tmp_path: Path, year: int) -> None:
    path = tmp_path / "WhatsApp Chat with Nora.txt"
    lines = [f"{year}/01/15, 10:30 - Nora: then", "2024/01/15, 10:31 - Tom: now"]
    path.write_text("\n".join(lines) + "\n", "utf-8")
    summary = import_file(store, path)
    assert [m.text for m in store.messages.history(summary.chats[0].chat.id)] == ["now"]
    assert summary.skipped["row of an implausible time"] == 1
    assert any(f"the years {year} were left out" in line for line in summary.warnings)
