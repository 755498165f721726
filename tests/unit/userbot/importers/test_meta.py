"""Instagram's and Messenger's threads."""

from __future__ import annotations

import zipfile
from pathlib import Path

import pytest
from fixtures.exports.loading import EXPORTS, load

from userbot.domain.messages import ChatKind, Origin
from userbot.importers import import_file
from userbot.store import Store


@pytest.mark.parametrize("zipped", [False, True])
def test_instagram_folder_or_zip(store: Store, tmp_path: Path, zipped: bool) -> None:
    path = EXPORTS / "instagram"
    if zipped:
        with zipfile.ZipFile(tmp_path / "instagram.zip", "w") as archive:
            for file in path.rglob("*.json"):
                archive.write(file, file.relative_to(path))
        path = tmp_path / "instagram.zip"
    summary, _ = load(store, path)
    assert (summary.format, summary.owner_name) == ("instagram", "Olga")
    by_title = {row.chat.title: row.chat for row in summary.chats}
    assert {title: chat.kind for title, chat in by_title.items()} == {
        "Анна": ChatKind.PRIVATE,
        "crew": ChatKind.GROUP,
    }
    assert [(m.origin, m.content) for m in store.messages.history(by_title["Анна"].id)] == [
        (Origin.CONTACT, "[voice 0:07]"),
        (Origin.OWNER, "привет"),
        (Origin.CONTACT, "смотри 😀"),
        (Origin.OWNER, "[photo]"),
        (Origin.CONTACT, "[link]"),
    ]
    assert [m.sender_name for m in store.messages.history(by_title["crew"].id)] == ["Olga", "Boris"]
    assert dict(summary.skipped) == {"reaction": 1, "deleted message": 1}
    assert import_file(store, path).added == 0


def test_instagram_single_file_tells_the_owner_by_its_title(store: Store) -> None:
    path = EXPORTS / "instagram" / "your_instagram_activity" / "messages" / "inbox" / "anna_1" / "message_1.json"
    summary = import_file(store, path)
    assert (summary.format, summary.owner_name, summary.added) == ("instagram", "Olga", 3)


def test_messenger_in_its_old_and_its_encrypted_form(store: Store) -> None:
    summary, messages = load(store, EXPORTS / "messenger" / "inbox")
    assert (summary.format, [m.content for m in messages]) == ("messenger", ["how are you — ok?", "fine"])
    assert dict(summary.skipped) == {"service message": 1}
    summary, messages = load(store, EXPORTS / "messenger" / "Pavel_4.json")
    assert (summary.format, summary.owner_name) == ("messenger", "Olga")
    assert [(m.origin, m.content) for m in messages] == [(Origin.CONTACT, "Тест 😀"), (Origin.OWNER, "[photo]")]
