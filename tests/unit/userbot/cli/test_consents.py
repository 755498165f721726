"""Commands on consents: recording, taking back, the ledger, and adapters that are stale."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from command_line import Clone
from fakes import bubble

from userbot.domain.errors import ConfigError, ConsentError, StaleAdapterError
from userbot.domain.messages import Chat, ChatKind
from userbot.store import Store
from userbot.store.adapters import AdapterShelf, Manifest

CLUB = -1_000_000_000_007


@pytest.fixture
def club(store: Store) -> Chat:
    chat = Chat(id=CLUB, kind=ChatKind.GROUP, title="Club")
    store.chats.save([chat])
    people = ((5, "Anna"), (6, "Boris"), (7, "Clara"))
    store.messages.add(
        replace(bubble(one, "hi", chat_id=CLUB), sender_id=one, sender_name=name) for one, name in people
    )
    return chat


def put_adapter(store: Store, name: str, chat_id: int) -> AdapterShelf:
    shelf = AdapterShelf(Path(str(store.engine.url.database)).parent / "adapters")
    data = {"train": {"chats": {str(chat_id): {"first_id": 1, "last_id": 9}}}}
    with shelf.write(Manifest(id=name, base="tiny", created_at="2026-01-05T12:00:00+00:00", data=data)) as folder:
        (folder / "adapter_config.json").write_text("{}", "utf-8")
    shelf.activate(name)
    return shelf


def test_a_group_of_three_of_whom_two_are_named_is_refused(clone: Clone, store: Store, club: Chat) -> None:
    with pytest.raises(ConsentError, match=r"missing: Clara \(7\)"):
        clone("chats", "consent", str(CLUB), "--by", "two", "--member", "Anna", "--member", "6")
    with pytest.raises(ConsentError, match="everybody in it must agree"):
        clone("chats", "consent", str(CLUB), "--by", "them")
    clone("chats", "consent", str(CLUB), "--by", "all three", "--all-members")
    assert store.consents.consented(CLUB)
    store.messages.add([replace(bubble(9, "hi", chat_id=CLUB), sender_id=8, sender_name="Dora")])
    assert "to be asked" in " ".join(clone("chats", "list").split())


def test_wording_and_day_are_kept_and_the_ledger_shows_all(clone: Clone, store: Store, friend: Chat) -> None:
    clone("chats", "consent", "101", "--by", "Vera", "--wording", "May it learn?", "--from", "2026-01-01")
    clone("chats", "withdraw", "101", "--reason", "she asked")
    given, taken = store.consents.history()
    assert given.wording is not None and given.wording.startswith("May it learn?\n") and given.since is not None
    assert taken.reason == "she asked"
    shown = clone("chats", "consents", "101")
    assert "given" in shown and "withdrawn" in shown


def test_blank_words_are_refused(clone: Clone, store: Store, friend: Chat) -> None:
    for blank in (" ", "\u200b", "..."):
        with pytest.raises(ConfigError, match="--by is empty"):
            clone("chats", "consent", "101", "--by", blank)
    assert store.consents.history() == []


def test_withdrawing_where_there_is_none_says_so(clone: Clone, store: Store, friend: Chat) -> None:
    assert "was not recorded, so there is nothing to withdraw" in clone("chats", "withdraw", "101")
    assert store.consents.history() == []


def test_withdrawal_names_stale_adapters_which_are_not_used_again(clone: Clone, store: Store, friend: Chat) -> None:
    store.consents.give(friend.id, by="Vera")
    shelf = put_adapter(store, "a", friend.id)
    assert "Stale: adapter a learned from 101. It is active until" in clone("chats", "withdraw", "101")
    with pytest.raises(StaleAdapterError, match="clone train"):
        clone("adapters", "use", "a")
    assert "stale" in clone("adapters", "list") and "Stale: adapter a" in clone("status")
    assert "No clean one is left" in clone("chats", "withdraw", "101", "--now")
    assert shelf.active() is None and "All answers are held" in clone("status")


def test_rollback_passes_over_a_stale_adapter(clone: Clone, store: Store, friend: Chat) -> None:
    store.chats.save([Chat(id=102, kind=ChatKind.PRIVATE, title="Ann")])
    for chat_id in (101, 102):
        store.consents.give(chat_id, by="them")
    for name, chat_id in (("a", 102), ("b", 101), ("c", 102)):
        put_adapter(store, name, chat_id)
    clone("chats", "withdraw", "101")
    assert clone("adapters", "rollback") == "a is active again.\n"
