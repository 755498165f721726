"""The store: one object with all repositories on one database."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC
from pathlib import Path

import pytest
from fakes import FakeClock, bubble

from userbot.domain.errors import StoreError
from userbot.domain.messages import Chat
from userbot.store import Store
from userbot.store.facts import OWNER_ID
from userbot.store.store import utc_now


def test_what_was_stored_is_there_after_opening_again(tmp_path: Path) -> None:
    path = tmp_path / "new folder" / "clone.db"
    with Store.open(path) as store:
        store.facts.set(OWNER_ID, 7)
    with Store.open(path) as store:
        assert store.facts.get(OWNER_ID) == 7


def test_two_stores_of_one_file_see_each_others_writes(store: Store, friend: Chat, clock: FakeClock) -> None:
    with Store.open(Path(str(store.engine.url.database)), clock) as other:
        store.messages.add([bubble(1, "hi")])
        assert other.messages.count() == 1
        other.chats.pause(friend.id, clock())
        chat = store.chats.get(friend.id)
        assert chat is not None and chat.paused_until == clock()


def test_threads_may_write_at_the_same_time(store: Store, friend: Chat) -> None:
    with ThreadPoolExecutor(4) as pool:
        added = pool.map(lambda number: store.messages.add([bubble(number, "hi")]), range(1, 41))
        assert sum(added) == 40
    assert store.messages.count() == 40


def test_folder_that_can_not_be_made_names_the_setting(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(StoreError, match=r"can't be opened: .*Set CLONE_HOME to a folder you own"):
        Store.open(tmp_path / "file" / "clone.db")


def test_clock_of_the_store_is_aware() -> None:
    assert utc_now().tzinfo is UTC
