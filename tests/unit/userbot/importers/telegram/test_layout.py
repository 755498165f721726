"""Telegram Desktop's own layout, cut into rows without parsing it."""

from __future__ import annotations

from pathlib import Path

import pytest
from fixtures.exports.loading import load_telegram
from fixtures.exports.shapes import (
    CONTACT_ID,
    account,
    chat,
    row,
    write,
)

from userbot.importers import import_file
from userbot.importers.telegram import layout
from userbot.store import Store


@pytest.mark.parametrize("chunk_bytes", [1, 7, 100, 1000])
def test_borders_are_found_wherever_the_pieces_of_the_file_end(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, chunk_bytes: int
) -> None:
    monkeypatch.setattr(layout, "CHUNK_BYTES", chunk_bytes)
    tricky = [row(1, '}\n     },\n     {"id"'), row(2, "    ]\n    ]", mine=True), row(3, "\\")]
    export = account(chat(tricky), chat([], chat_id=7), chat([row(9)], chat_id=8, kind="bot_chat"))
    summary = load_telegram(store, tmp_path, export)
    assert summary.added == 4
    assert [m.text for m in store.messages.history(CONTACT_ID)] == [one["text"] for one in tricky]
    assert summary.truncated_after is None


def test_malformed_row_is_skipped_and_its_neighbours_are_not(store: Store, tmp_path: Path) -> None:
    path = write(tmp_path / "result.json", account(chat([row(1), row(2, "BROKEN"), row(3)])))
    path.write_text(path.read_text().replace('"text": "BROKEN"', '"text": "BROKEN'))
    summary = import_file(store, path)
    assert (summary.added, dict(summary.skipped)) == (2, {"damaged row": 1})
