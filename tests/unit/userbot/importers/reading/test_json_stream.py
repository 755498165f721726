"""JSON read piece by piece."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path

import pytest
from fixtures.exports.loading import EXPORTS

from userbot.domain.errors import ExportFormatError
from userbot.domain.plural import format_count
from userbot.importers import import_file
from userbot.importers.reading import json_stream
from userbot.importers.reading.json_stream import RepairedFile, parse_events, parse_items, repair
from userbot.importers.reading.source import MeteredFile
from userbot.store import Store


@pytest.mark.parametrize(
    ("path", "after"),
    [
        (EXPORTS / "discord" / "direct.json", b'"id": "1003"'),
        (EXPORTS / "messenger" / "inbox" / "pavel_3" / "message_1.json", b'"how are you'),
    ],
)
def test_truncated_json_gives_what_is_whole(store: Store, tmp_path: Path, path: Path, after: bytes) -> None:
    raw = path.read_bytes()
    raw = raw[: raw.index(after)]
    torn = tmp_path / "torn.json"
    torn.write_bytes(raw)
    me = "olga" if "discord" in str(path) else "Olga"
    summary = import_file(store, torn, me=me)
    assert summary.truncated_after == f"after {format_count(summary.messages, 'message')}, at byte {len(raw)}"
    assert summary.messages > 0


def stream_of(raw: bytes) -> MeteredFile:
    return MeteredFile(BytesIO(raw), "export.json", lambda _size: None)


@pytest.mark.parametrize(
    ("raw", "mended"),
    [
        (rb'"a\x0Bb"', b'"a\\u000Bb"'),
        (rb'"a\\x0Bb"', rb'"a\\x0Bb"'),
        (rb'"\ud83d"', rb'"\ufffd"'),
        (rb'"\ud83d\ude00"', rb'"\ud83d\ude00"'),
        (rb'"\udc00x\ud83d\ude00\ud83d"', rb'"\ufffdx\ud83d\ude00\ufffd"'),
        (b'"\xff"', '"\ufffd"'.encode()),
    ],
)
def test_what_json_does_not_allow_is_replaced(raw: bytes, mended: bytes) -> None:
    assert repair(raw) == mended


def test_faults_on_the_border_of_two_pieces_are_mended(monkeypatch: pytest.MonkeyPatch) -> None:
    raw = rb'{"a": "' + "я".encode() * 20 + rb'\x0B\ud83d\ude00", "b": "' + b"plain text " * 9 + b'"}'
    whole = repair(raw)
    for size in range(1, 40):
        monkeypatch.setattr(json_stream, "_CHUNK_BYTES", size)
        file = RepairedFile(stream_of(raw))
        assert b"".join(iter(lambda file=file: file.read(1), b"")) == whole  # type: ignore[misc]


def test_items_end_with_a_file_that_ends_early() -> None:
    assert list(parse_items(stream_of(b'{"messages": [{"a": 1}, {"a": 2}, {"a"'), "messages.item")) == [
        {"a": 1},
        {"a": 2},
    ]


def test_other_damage_is_refused_without_quoting_the_file() -> None:
    with pytest.raises(ExportFormatError) as caught:
        list(parse_events(stream_of(b'{"secret": "words",, "a": 1}')))
    assert str(caught.value).startswith("export.json is damaged JSON before byte 28: ")
    assert "secret" not in str(caught.value)
