"""The same chat from HTML and from JSON."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from fixtures.exports.loading import EXPORTS

from userbot.importers import import_file
from userbot.store import Store


@pytest.mark.parametrize("html_first", [True, False])
def test_chat_in_html_and_in_json_is_told_to_be_there_twice(store: Store, tmp_path: Path, html_first: bool) -> None:
    rows = [
        {"id": number, "type": "message", "date": "x", "from": name, "from_id": sender, "text": "t"}
        | {"date_unixtime": str(1700000000 + 10 * number)}
        for number, (name, sender) in enumerate([("Pavel Probe", "user5"), ("Olga Test", "user9")], 2)
    ]
    rows[0]["date_unixtime"] = "1700000000"  # as in the page; the other one is another message
    path = tmp_path / "result.json"
    path.write_text(json.dumps({"name": "Pavel", "type": "personal_chat", "id": 5, "messages": rows}))
    imports = [(EXPORTS / "html", "Olga Test"), (path, None)]
    first, second = [import_file(store, where, me=me) for where, me in (imports if html_first else imports[::-1])]
    page = next(chat.id for chat in store.chats.all() if chat.source == "telegram-html")
    assert first.warnings == ()
    [warning] = second.warnings
    assert warning.startswith(
        f"Pavel Probe is stored twice, with 1 message in common: as 5, and from HTML as {page}. Record consent for one"
    )
