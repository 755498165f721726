"""Several exports in one folder or archive: all are read, and what is not is named."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from fixtures.exports.loading import WHATSAPP
from fixtures.exports.shapes import account, chat, conversation, row, write

from userbot.domain.errors import ConfigError, OwnerUnknownError
from userbot.importers import import_file
from userbot.importers.reading.source import Source
from userbot.importers.units import list_units, share_progress
from userbot.store import Store

PAGE = '<html><body><div class="page_wrap"><div class="text bold">Vera</div></div></body></html>'


def _single(folder: Path, number: int) -> Path:
    """Write a single chat's export, as Telegram Desktop names its folders."""
    folder.mkdir(parents=True, exist_ok=True)
    rows = [row(1, f"hi {number}"), row(2, f"yo {number}", mine=True)]
    return write(folder / "result.json", chat(rows, chat_id=2000 + number, name=f"Vera {number}"))


@pytest.mark.parametrize("packed", [False, True])
def test_all_exports_of_a_folder_or_an_archive_are_read(store: Store, tmp_path: Path, packed: bool) -> None:
    folder = tmp_path / "exports"
    for number in range(3):
        _single(folder / f"ChatExport_2024-0{number + 1}-01", number)
    path = Path(shutil.make_archive(str(tmp_path / "exports"), "zip", folder)) if packed else folder
    summary = import_file(store, path, owner_id=1001)
    assert len(summary.chats) == 3 and summary.added == 6
    again = import_file(store, path, owner_id=1001)
    assert (again.added, again.known) == (0, 6)


def test_exports_of_several_messengers_are_read_side_by_side(store: Store, tmp_path: Path) -> None:
    write(tmp_path / "telegram.json", account(chat(conversation())))
    shutil.copy(WHATSAPP / "WhatsApp Chat with Anna.txt", tmp_path)
    summary = import_file(store, tmp_path)
    assert summary.format in ("telegram, whatsapp", "whatsapp, telegram")
    assert {each.chat.source for each in summary.chats} == {"telegram", "whatsapp"}


def test_pages_beside_the_json_of_the_same_chats_are_left_out_and_named(store: Store, tmp_path: Path) -> None:
    folder = tmp_path / "ChatExport_2024-01-01"
    _single(folder, 1)
    (folder / "messages.html").write_text(PAGE)
    summary = import_file(store, tmp_path, owner_id=1001)
    assert summary.format == "telegram"
    [note] = [line for line in summary.warnings if "pages" in line]
    assert note.startswith(
        "The HTML pages in ChatExport_2024-01-01/ were left out: the JSON beside them holds the same"
    )


def _group(folder: Path) -> None:
    """Write a single group's export, in which nothing tells who the owner is."""
    folder.mkdir()
    write(folder / "result.json", chat([row(1, "hi"), row(2, "yo", mine=True)], kind="private_group", chat_id=5))


def test_export_that_can_not_be_read_keeps_no_other_out(store: Store, tmp_path: Path) -> None:
    _single(tmp_path / "ChatExport_1", 1)
    _group(tmp_path / "ChatExport_2")
    summary = import_file(store, tmp_path)
    assert len(summary.chats) == 1
    [failed] = summary.failed
    assert failed.startswith("ChatExport_2: ") and "--me NAME" in failed


def test_folder_in_which_nothing_can_be_read_is_an_error(store: Store, tmp_path: Path) -> None:
    _group(tmp_path / "ChatExport_1")
    with pytest.raises(OwnerUnknownError, match="--me NAME"):
        import_file(store, tmp_path)


def test_format_that_was_named_is_taken_for_all(tmp_path: Path) -> None:
    _single(tmp_path / "a", 1)
    _single(tmp_path / "b", 2)
    source = Source(tmp_path)
    assert [unit.format for unit in list_units(source, "telegram").units] == ["telegram"] * 2
    with pytest.raises(ConfigError, match="no format 'icq'"):
        list_units(source, "icq")


def test_progress_of_several_exports_is_one() -> None:
    seen: list[tuple[int, int]] = []
    for number in range(2):
        share = share_progress(lambda done, total: seen.append((done, total)), number, 2)
        assert share is not None
        share(5, 10)
        share(10, 10)
    assert seen == [(5, 20), (10, 20), (15, 20), (20, 20)]
