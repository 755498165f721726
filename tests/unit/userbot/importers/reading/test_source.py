"""Exports as files, folders and archives."""

from __future__ import annotations

import zipfile
from pathlib import Path

import pytest
from fixtures.exports.loading import EXPORTS

from userbot.domain.errors import ExportFormatError
from userbot.importers import import_file
from userbot.importers.reading.source import Source
from userbot.store import Store


def test_damaged_archive_is_refused(store: Store, tmp_path: Path) -> None:
    path = tmp_path / "broken.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.write(EXPORTS / "discord" / "direct.json", "direct.json")
    raw = bytearray(path.read_bytes())
    raw[60:90] = b"\0" * 30
    path.write_bytes(raw)
    with pytest.raises(ExportFormatError, match="can't be read after byte 0: the disk or the archive is damaged"):
        import_file(store, path)


def test_parts_of_a_folder_and_of_an_archive_are_the_same_and_in_natural_order(tmp_path: Path) -> None:
    folder = tmp_path / "export"
    (folder / "inbox").mkdir(parents=True)
    names = ["inbox/message_2.json", "inbox/message_10.json", "Readme.TXT"]
    with zipfile.ZipFile(tmp_path / "export.zip", "w") as archive:
        for name in names:
            (folder / name).write_text(name)
            archive.write(folder / name, name)
    for source in (Source(folder), Source(tmp_path / "export.zip")):
        assert source.parts(".json") == names[:2]
        assert sorted(source.parts()) == sorted(names)
        assert source.parts(".txt") == ["Readme.TXT"]
        with source.open(names[1]) as stream:
            assert (stream.read(), stream.position) == (names[1].encode(), len(names[1]))
        assert source.size(names[1]) == len(names[1])
        assert source.name == "export"
        source.close()


def test_single_file_is_its_only_part(tmp_path: Path) -> None:
    path = tmp_path / "result.json"
    path.write_bytes(b"{}")
    source = Source(path)
    assert (source.parts(), source.name, source.where("result.json")) == (["result.json"], "result", str(path))
    assert not source.is_folder
    assert not source.is_archive


def test_progress_counts_what_is_read_after_it_was_announced(tmp_path: Path) -> None:
    path = tmp_path / "result.json"
    path.write_bytes(b"x" * 100)
    seen: list[tuple[int, int]] = []
    source = Source(path, lambda done, total: seen.append((done, total)))
    assert source.head("result.json", 10) == b"x" * 10
    assert seen == []
    source.expect(source.parts(), passes=2)
    for _ in range(2):
        with source.open("result.json") as stream:
            while stream.read(60):
                pass
    assert (60, 200) in seen
    assert seen[-1] == (200, 200)


@pytest.mark.parametrize(("content", "reason"), [(None, "There is no file"), (b"", "is empty")])
def test_nothing_to_read_is_refused(tmp_path: Path, content: bytes | None, reason: str) -> None:
    path = tmp_path / "result.json"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ExportFormatError, match=reason):
        Source(path)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be"])
@pytest.mark.parametrize("size", [1, 2, 3, 7, 1000, -1])
def test_byte_order_mark_is_read_as_plain_utf_8(tmp_path: Path, encoding: str, size: int) -> None:
    text = "Привет, 你好 🙂" * 20
    mark = "\ufeff" if encoding.endswith(("le", "be")) else ""
    (tmp_path / "file").write_bytes((mark + text).encode(encoding))
    with Source(tmp_path / "file").open("file") as stream:
        pieces = []
        while piece := stream.read(size):
            pieces.append(piece)
            assert size < 0 or len(piece) <= size
        assert b"".join(pieces) == text.encode()
        assert stream.position == (tmp_path / "file").stat().st_size
