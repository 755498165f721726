"""Telegram Desktop's HTML pages."""

from __future__ import annotations

import shutil
from datetime import UTC, datetime
from pathlib import Path

import pytest
from fixtures.exports.loading import EXPORTS, load

from userbot.domain.messages import Chat, ChatKind, Message, Origin
from userbot.importers import import_file
from userbot.store import Store


@pytest.mark.parametrize("path", [EXPORTS / "html", EXPORTS / "html" / "messages.html"])
def test_html_pages_are_one_chat(store: Store, path: Path) -> None:
    summary, messages = load(store, path, me="Olga Test")
    assert summary.format == "telegram-html"
    assert [(m.id, m.origin, m.content) for m in messages] == [
        (2, Origin.CONTACT, "Hi & welcome\nsecond line"),
        (3, Origin.CONTACT, "joined one"),
        (4, Origin.OWNER, "my words"),
        (5, Origin.OWNER, "[gif]"),
        (6, Origin.OWNER, "somebody else's"),
        (7, Origin.OWNER, "on the next page"),
        (8, Origin.CONTACT, "[voice 0:07]"),
        (9, Origin.CONTACT, "😀"),
        (10, Origin.CONTACT, "[file plan.pdf]"),
        (11, Origin.CONTACT, "[contact]"),
        (12, Origin.CONTACT, "[poll: Who comes?]"),
    ]
    assert messages[0].sent_at == datetime(2023, 11, 14, 22, 13, 20, tzinfo=UTC)
    assert [m.id for m in messages if m.reply_to_id] == [4]
    assert messages[2].reply_to_id == 2
    assert [m.id for m in messages if m.via_bot] == [5]
    assert [m.id for m in messages if m.forwarded] == [6]
    assert dict(summary.skipped) == {"service message": 1}
    assert import_file(store, path, me="Olga Test").added == 0


def test_html_page_does_not_make_the_clones_words_the_owners(store: Store) -> None:
    store.chats.save([Chat(id=101, kind=ChatKind.PRIVATE, title="Pavel")])
    sent_at = datetime(2023, 11, 14, 22, 14, tzinfo=UTC)
    for number, text in ((4, "my  words "), (7, "other words")):
        store.messages.add([Message(chat_id=101, id=number, origin=Origin.CLONE, sent_at=sent_at, text=text)])
    summary, messages = load(store, EXPORTS / "html", me="Olga Test")
    assert [m.id for m in messages if m.origin is Origin.CLONE] == [4]
    assert [m.id for m in messages if m.origin is Origin.OWNER] == [5, 6, 7]
    assert summary.chats[0].counts == {Origin.CONTACT: 7, Origin.OWNER: 3, Origin.CLONE: 1}


def test_html_chats_can_never_be_answered(store: Store) -> None:
    summary = import_file(store, EXPORTS / "html", me="Olga Test")
    assert summary.chats[0].chat.source == "telegram-html"


def test_html_page_that_ends_early_gives_what_is_whole(store: Store, tmp_path: Path) -> None:
    shutil.copytree(EXPORTS / "html", tmp_path, dirs_exist_ok=True)
    page = tmp_path / "messages2.html"
    raw = page.read_bytes()
    page.write_bytes(raw[: raw.index(b"Who comes?") + 3])
    summary, messages = load(store, tmp_path, me="Olga Test")
    assert summary.truncated_after == f"after 10 messages, at byte {page.stat().st_size} of messages2.html"
    assert [m.id for m in messages] == list(range(2, 12)), "the poll, in which it ends, comes whole with another export"
    page.write_bytes(raw)
    again = import_file(store, tmp_path, me="Olga Test")
    assert (again.truncated_after, again.added, again.warnings) == (None, 1, ())


def test_html_page_that_is_not_there_is_missed(store: Store, tmp_path: Path) -> None:
    shutil.copytree(EXPORTS / "html", tmp_path, dirs_exist_ok=True)
    page = tmp_path / "messages2.html"
    link = '<a class="pagination block_link" href="messages{}.html">Messages</a>\n</body>'
    for number in (3, ""):
        page.write_text(page.read_text("utf-8").replace("</body>", link.format(number)), "utf-8")
    summary = import_file(store, tmp_path, me="Olga Test")
    assert summary.messages == 11
    [warning] = summary.warnings
    assert warning.startswith("Pavel: messages3.html is not there, so its messages are missing. Put the page beside")


def test_html_account_tells_the_owner_as_the_one_in_most_chats(store: Store, tmp_path: Path) -> None:
    page = (EXPORTS / "html" / "messages.html").read_text(encoding="utf-8")
    for number, contact in enumerate(("Pavel Probe", "Rita", "Zed"), 1):
        folder = tmp_path / "chats" / f"chat_{number:03}"
        folder.mkdir(parents=True)
        (folder / "messages.html").write_text(
            page.replace("Pavel Probe", contact).replace("\nPavel\n", f"\n{contact}\n")
        )
    summary, _ = load(store, tmp_path)
    assert summary.owner_name == "Olga Test"
    assert sorted(row.chat.title for row in summary.chats) == ["Pavel Probe", "Rita", "Zed"]
