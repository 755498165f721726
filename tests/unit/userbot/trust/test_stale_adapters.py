"""Adapters that learned from a chat whose consent does not stand any more are never activated."""

from __future__ import annotations

from pathlib import Path

import pytest

from userbot.domain.errors import NoAdapterError, StaleAdapterError
from userbot.domain.messages import Chat, ChatKind
from userbot.store import Store
from userbot.store.adapters import AdapterShelf, Manifest
from userbot.trust.stale_adapters import StaleAdapter, activate_adapter, find_stale_adapters, roll_back, stop_stale


@pytest.fixture
def shelf(tmp_path: Path, store: Store) -> AdapterShelf:
    """Adapters a, b and c, of chats 1, 1 and 2, and 2; c is active, and all chats have consent."""
    for chat_id in (1, 2):
        store.chats.save([Chat(id=chat_id, kind=ChatKind.PRIVATE, title="somebody")])
        store.consents.give(chat_id, by="them")
    made = AdapterShelf(tmp_path / "adapters")
    for name, chat_ids in (("a", (1,)), ("b", (1, 2)), ("c", (2,))):
        data = {"train": {"chats": {str(one): {"first_id": 1, "last_id": 9} for one in chat_ids}}}
        with made.write(Manifest(id=name, base="tiny", created_at="2026-01-05T12:00:00+00:00", data=data)) as folder:
            (folder / "adapter_config.json").write_text("{}", "utf-8")
        made.activate(name)
    return made


def test_nothing_is_stale_while_consents_stand(store: Store, shelf: AdapterShelf) -> None:
    assert find_stale_adapters(store, shelf) == []
    assert stop_stale(store, shelf) is None


def test_a_withdrawal_names_the_adapters_that_learned_from_the_chat(store: Store, shelf: AdapterShelf) -> None:
    store.consents.take_back(2)
    assert find_stale_adapters(store, shelf) == [StaleAdapter("b", (2,), False), StaleAdapter("c", (2,), True)]


def test_a_stale_adapter_is_not_activated(store: Store, shelf: AdapterShelf) -> None:
    store.consents.take_back(2)
    with pytest.raises(StaleAdapterError, match=r"adapter b learned from 1 chat .* \(2\).*clone train") as caught:
        activate_adapter(store, shelf, "b")
    assert caught.value.exit_code == 2
    assert activate_adapter(store, shelf, "a").id == "a"


def test_rollback_passes_over_stale_adapters(store: Store, shelf: AdapterShelf) -> None:
    store.consents.take_back(2)
    assert roll_back(store, shelf).id == "a"
    active = shelf.active()
    assert active is not None and active.id == "a" and shelf.list_previous() == ()


def test_rollback_is_refused_where_all_earlier_ones_are_stale(store: Store, shelf: AdapterShelf) -> None:
    store.consents.take_back(1)
    with pytest.raises(StaleAdapterError, match="The adapter b learned"):
        roll_back(store, shelf)
    active = shelf.active()
    assert active is not None and active.id == "c"


def test_rollback_without_an_earlier_adapter_says_so(store: Store, tmp_path: Path) -> None:
    with pytest.raises(NoAdapterError, match="no earlier adapter"):
        roll_back(store, AdapterShelf(tmp_path / "none"))


def test_a_stale_active_adapter_gives_way_to_the_last_clean_one(store: Store, shelf: AdapterShelf) -> None:
    store.consents.take_back(2)
    assert stop_stale(store, shelf) == "Adapter c is stopped; a is active again."
    assert shelf.stopped() is None


def test_without_a_clean_one_nothing_is_active_until_another_is_activated(store: Store, shelf: AdapterShelf) -> None:
    store.consents.take_back(1)
    store.consents.take_back(2)
    told = stop_stale(store, shelf)
    assert told is not None and "No clean one is left, so all answers are held" in told
    assert shelf.active() is None and shelf.stopped() == "c"
    store.consents.give(1, by="them")
    activate_adapter(store, shelf, "a")
    assert shelf.stopped() is None


def test_consent_given_again_makes_adapters_usable_again(store: Store, shelf: AdapterShelf) -> None:
    store.consents.take_back(2)
    store.consents.give(2, by="them")
    assert find_stale_adapters(store, shelf) == []
