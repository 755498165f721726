"""Keeping parts of the chats out of training, from the command line."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from command_line import Clone
from fakes import bubble

from userbot.domain.errors import ConfigError
from userbot.domain.exclusions import Exclusion
from userbot.domain.messages import Chat
from userbot.store import Store
from userbot.store.facts import EXCLUSIONS


@pytest.fixture
def stored(store: Store, friend: Chat) -> Store:
    store.messages.add([bubble(1, "at the hospital", chat_id=friend.id), bubble(2, "ok", chat_id=friend.id)])
    return store


def test_rule_is_stored_listed_and_taken_back(clone: Clone, stored: Store) -> None:
    out = clone("dataset", "exclude", "--word", "hospital")
    assert "messages with the word “hospital” in all chats" in out and "That is 1 message" in out
    assert stored.facts.get(EXCLUSIONS) == (Exclusion(word="hospital"),)
    assert "hospital" in clone("dataset", "excluded")
    assert "Learned from again" in clone("dataset", "include", "1")
    assert stored.facts.get(EXCLUSIONS) is None
    assert "Nothing is kept out" in clone("dataset", "excluded")


def test_same_rule_is_stored_once(clone: Clone, stored: Store, friend: Chat) -> None:
    for _ in range(2):
        clone("dataset", "exclude", "--chat", str(friend.id))
    assert stored.facts.get(EXCLUSIONS) == (Exclusion(chat_id=friend.id),)


def test_last_day_is_inclusive(clone: Clone, stored: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CLONE_ZONE", "Etc/UTC")
    out = clone("dataset", "exclude", "--from", "2023-02-01", "--to", "2023-02-01")
    assert "from 2023-02-01 up to 2023-02-01" in out and "No message in the store is meant" in out
    assert stored.facts.get(EXCLUSIONS) == (
        Exclusion(since=datetime(2023, 2, 1, tzinfo=UTC), until=datetime(2023, 2, 2, tzinfo=UTC)),
    )


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ([], "Say what to keep out"),
        (["--topic", "3"], "say which: --chat"),
        (["--word", "  "], "--word is empty"),
        (["--from", "2024-01-02", "--to", "2023-01-01"], "Swap them"),
    ],
)
def test_rule_that_says_nothing_is_refused(clone: Clone, stored: Store, options: list[str], says: str) -> None:
    with pytest.raises(ConfigError, match=says):
        clone("dataset", "exclude", *options)
    assert stored.facts.get(EXCLUSIONS) is None


def test_number_that_nothing_has_is_refused(clone: Clone, stored: Store) -> None:
    assert stored.facts.get(EXCLUSIONS) is None
    with pytest.raises(ConfigError, match="No exclusion has the number 1"):
        clone("dataset", "include", "1")
