"""Which format a file has, and what is said of files that have none."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from fixtures.exports.shapes import account, chat, conversation, write

from userbot.domain.errors import ConfigError, ExportFormatError
from userbot.importers import FORMATS, import_file
from userbot.importers.detection import READERS

HINT = (
    "Give Telegram Desktop's result.json, or name the format with --format: "
    "telegram, telegram-html, whatsapp, instagram, messenger, discord."
)


def refusal(path: Path) -> str:
    with pytest.raises(ExportFormatError) as caught:
        import_file(None, path, dry_run=True)
    return str(caught.value)


def test_every_format_has_a_reader() -> None:
    assert tuple(READERS) == FORMATS


def test_missing_file(tmp_path: Path) -> None:
    assert refusal(tmp_path / "gone.json") == (
        f"There is no file {tmp_path / 'gone.json'}. Give the export's path, such as "
        f"~/Downloads/Telegram Desktop/DataExport_2026-01-31/result.json."
    )


def test_empty_file(tmp_path: Path) -> None:
    path = tmp_path / "result.json"
    path.touch()
    assert refusal(path) == f"{path} is empty (0 bytes). Export the chats again, and wait for the end."


def test_empty_folder(tmp_path: Path) -> None:
    assert refusal(tmp_path) == f"{tmp_path} is not an export of a known format: it is empty. {HINT}"


def test_folder_without_an_export_names_its_files(tmp_path: Path) -> None:
    for number in range(8):
        (tmp_path / f"a{number}.jpg").write_bytes(b"x")
    assert refusal(tmp_path) == (
        f"{tmp_path} is not an export of a known format: its files are "
        f"a0.jpg, a1.jpg, a2.jpg, a3.jpg, a4.jpg, a5.jpg and more. {HINT}"
    )


@pytest.mark.parametrize(
    ("content", "seen"),
    [
        (b"hello\nworld\n", "it is text without lines that begin with a time"),
        (b"\x7fELF\0\0", "it is not text"),
        (b"<html><p>x</p></html>", "it is an HTML page that Telegram Desktop did not write"),
        (b'{"packages": {"a": 1}, "name": "x"}', "it is a JSON object with the keys name, packages"),
        (b'[{"date": 1, "text": "secret words"}]', "it is a JSON list of objects with the keys date, text"),
        (b"{}", "it is a JSON object"),
        (b'{"secret words": 1}', "it is a JSON object"),
    ],
)
def test_unknown_content_is_refused_by_what_was_seen(tmp_path: Path, content: bytes, seen: str) -> None:
    path = tmp_path / "file.bin"
    path.write_bytes(content)
    assert refusal(path) == f"{path} is not an export of a known format: {seen}. {HINT}"


def test_unknown_format_name(tmp_path: Path) -> None:
    path = write(tmp_path / "result.json", account(chat(conversation())))
    with pytest.raises(ConfigError) as caught:
        import_file(None, path, format_name="icq", dry_run=True)
    assert str(caught.value) == (
        "There is no format 'icq'. Use --format with one of "
        "telegram, telegram-html, whatsapp, instagram, messenger, discord."
    )


def test_named_format_overrides_the_content(tmp_path: Path) -> None:
    path = write(tmp_path / "result.json", account(chat(conversation())))
    with pytest.raises(ExportFormatError, match="is not a WhatsApp chat: expected lines such as"):
        import_file(None, path, format_name="whatsapp", dry_run=True)


def test_folder_of_telegram_desktop_is_read_by_its_result_json(tmp_path: Path) -> None:
    folder = tmp_path / "DataExport_2026-01-31"
    (folder / "photos").mkdir(parents=True)
    (folder / "photos" / "1.jpg").write_bytes(b"x")
    write(folder / "result.json", account(chat(conversation())))
    assert import_file(None, folder, dry_run=True).messages == 4


def test_zipped_telegram_export_is_read(tmp_path: Path) -> None:
    folder = tmp_path / "export"
    folder.mkdir()
    write(folder / "result.json", account(chat(conversation())))
    archive = Path(shutil.make_archive(str(tmp_path / "packed"), "zip", folder))
    assert import_file(None, archive, dry_run=True).messages == 4


def test_export_without_messages_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path / "result.json", account(chat([])))
    assert refusal(path) == f"{path} holds no messages. Export again with the chats that you want ticked."


def test_importing_the_package_loads_no_parser() -> None:
    code = "import sys, userbot.importers; print([m for m in ('ijson', 'msgspec', 'sqlalchemy') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
