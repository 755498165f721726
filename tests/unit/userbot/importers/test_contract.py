"""What every format's reader promises, on whole exports and on broken ones.

A broken export is imported as far as it goes, or refused by an error that names the file.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from fixtures.exports.loading import EXPORTS
from fixtures.exports.mutations import FORMATS, OWNERS, broken_exports
from fixtures.exports.shapes import account, chat, conversation, write
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from userbot.domain.errors import ExportError
from userbot.domain.messages import Chat, Message
from userbot.importers import import_file
from userbot.importers.detection import READERS
from userbot.importers.reading.items import Hints, Item, Owner
from userbot.importers.reading.source import Source
from userbot.store import Store

CASES = 100

quickly = settings(
    max_examples=CASES,
    derandomize=True,
    database=None,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Store, Path]]:
    folder = tmp_path_factory.mktemp("fuzz")
    with Store.open(folder / "home" / "clone.db") as store:
        yield store, folder


WHOLE = {
    "telegram-html": EXPORTS / "html",
    "whatsapp": EXPORTS / "whatsapp" / "WhatsApp Chat with Anna.txt",
    "instagram": EXPORTS / "instagram",
    "messenger": EXPORTS / "messenger" / "inbox",
    "discord": EXPORTS / "discord" / "direct.json",
}


def read_whole(name: str, folder: Path) -> list[Item]:
    """Read a whole export of a format."""
    path = WHOLE.get(name) or write(folder / "result.json", account(chat(conversation())))
    return list(READERS[name](Source(path), Hints(me=OWNERS.get(name))))


@pytest.mark.parametrize("name", READERS)
def test_each_chat_comes_before_its_messages_which_are_of_both_sides(name: str, tmp_path: Path) -> None:
    current: Chat | None = None
    messages: list[Message] = []
    for item in read_whole(name, tmp_path):
        if isinstance(item, Chat):
            current = item
        elif isinstance(item, list):
            assert current is not None or not item
            assert {message.chat_id for message in item} <= {current and current.id}
            messages += item
    assert len({message.origin for message in messages}) == 2
    assert all(message.sent_at.tzinfo is not None and message.content.strip() for message in messages)


@pytest.mark.parametrize("name", READERS)
def test_the_owner_is_named_and_a_whole_export_is_read_the_same_twice(name: str, tmp_path: Path) -> None:
    items = read_whole(name, tmp_path)
    assert [item for item in items if isinstance(item, Owner) and item.name]
    assert read_whole(name, tmp_path) == items
    ids = [(message.chat_id, message.id) for item in items if isinstance(item, list) for message in item]
    assert len(ids) == len(set(ids))


def survive(store: Store, path: Path, raw: bytes, format_name: str | None, me: str | None = None) -> None:
    path.write_bytes(raw)
    try:
        summary = import_file(store, path, format_name=format_name, owner_id=1001, me=me)
    except ExportError as exc:
        # Names the file, and what to do about it.
        assert str(path.parent) in str(exc)
    else:
        assert summary.messages == summary.added + summary.known > 0


@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize("detected", [True, False])
def test_broken_export_is_imported_or_refused(shared: tuple[Store, Path], name: str, detected: bool) -> None:
    store, folder = shared
    path = folder / ("chat.html" if name == "telegram-html" else "export")

    @quickly
    @given(raw=broken_exports(name))
    def check(raw: bytes) -> None:
        survive(store, path, raw, None if detected else name, OWNERS.get(name))

    check()


@quickly
@given(raw=st.binary(max_size=300), name=st.sampled_from(FORMATS))
def test_noise_is_refused_in_every_format(shared: tuple[Store, Path], raw: bytes, name: str) -> None:
    store, folder = shared
    survive(store, folder / "noise", raw, name)
