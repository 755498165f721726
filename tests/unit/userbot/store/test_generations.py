"""Generations are counted by hour, by day and by chat."""

from __future__ import annotations

from fakes import START, FakeClock

from userbot.domain.messages import Chat, ChatKind
from userbot.store import Store
from userbot.store.generations import GenerationCounts

DAY_S = 86_400


def test_counts_are_by_chat_hour_and_day(store: Store, clock: FakeClock, friend: Chat) -> None:
    store.chats.save([Chat(id=102, kind=ChatKind.PRIVATE, title="Max")])
    for at_s, chat_id in ((-DAY_S - 1, 101), (-5000, 101), (-100, 101), (-50, 102), (0, 101)):
        clock.now = START
        clock.advance(at_s)
        store.generations.note(chat_id)
    assert store.generations.count(101) == GenerationCounts(2, 3, 4)
    assert store.generations.count(102) == GenerationCounts(1, 1, 4)


def test_taken_back_is_not_counted(store: Store, friend: Chat) -> None:
    kept = store.generations.note(101)
    store.generations.take_back(store.generations.note(101))
    assert store.generations.count(101) == GenerationCounts(1, 1, 1)
    store.generations.take_back(kept)
    assert store.generations.count(101) == GenerationCounts(0, 0, 0)
