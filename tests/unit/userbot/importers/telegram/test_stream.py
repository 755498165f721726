"""Any other layout of the same JSON."""

from __future__ import annotations

from pathlib import Path

import pytest
from fixtures.exports.shapes import (
    account,
    chat,
    conversation,
    write,
)

from userbot.domain.errors import ExportFormatError
from userbot.importers import import_file
from userbot.store import Store


def test_damage_in_another_layout_is_refused_with_its_place(store: Store, tmp_path: Path) -> None:
    path = write(tmp_path / "result.json", account(chat(conversation())), layout="minified")
    path.write_text(path.read_text().replace('"text 3",', '"text 3",,'))
    with pytest.raises(ExportFormatError) as caught:
        import_file(store, path)
    assert str(caught.value) == (
        f"{path} is damaged JSON before byte {path.stat().st_size}: expected the rest of an export. "
        f"Export it again; if a program changed the file, use the original."
    )
