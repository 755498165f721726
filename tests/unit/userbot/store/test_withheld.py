"""Answers that were withheld are kept for the owner."""

from __future__ import annotations

from datetime import timedelta

from fakes import FakeClock

from userbot.domain.messages import Chat
from userbot.store import Store


def test_newest_first_of_all_chats_or_one(store: Store, friend: Chat) -> None:
    for n, chat_id in enumerate((friend.id, friend.id)):
        store.withheld.add(chat_id, n, kind="a name", text=f"Rex {n}")
    assert [(a.trigger_id, a.kind, a.text) for a in store.withheld.newest(limit=1)] == [(1, "a name", "Rex 1")]
    assert len(store.withheld.newest(friend.id, limit=9)) == 2
    assert store.withheld.newest(999, limit=9) == []


def test_counted_since_a_time(store: Store, friend: Chat, clock: FakeClock) -> None:
    store.withheld.add(friend.id, 1, kind="a name", text="Rex")
    clock.now += timedelta(hours=2)
    store.withheld.add(friend.id, 2, kind="a name", text="Rex")
    assert store.withheld.count(friend.id, since=clock.now - timedelta(hours=1)) == 1
    assert store.withheld.count(friend.id, since=clock.now - timedelta(hours=3)) == 2
