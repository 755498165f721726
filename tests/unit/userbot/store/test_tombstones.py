"""Tests of tombstones: what was forgotten is not stored again."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from fakes import START, bubble

from userbot.domain.messages import Chat, ChatKind, Message, Origin
from userbot.store import Store
from userbot.store.members import member_id
from userbot.store.tombstones import Tombstone

STONE = Tombstone(chat_id=101, same_as=101, forgotten_at=START, up_to_id=5)


def by(message: Message, sender_id: int | None, name: str | None) -> Message:
    return replace(message, sender_id=sender_id, sender_name=name)


def prepare(store: Store, *stones: Tombstone) -> None:
    store.chats.save([Chat(id=number, kind=ChatKind.GROUP, title=str(number)) for number in (101, 102)])
    store.tombstones.add(stones)


def test_old_messages_stay_away_and_new_ones_are_stored(store: Store) -> None:
    prepare(store, STONE)
    received = [bubble(7, "old", at_s=-1), bubble(5, "old id", at_s=9), bubble(6, "new", at_s=9)]
    assert store.messages.add([*received, bubble(1, "elsewhere", chat_id=102, at_s=-1)]) == 2
    assert [one.text for one in store.messages.window(101, limit=9)] == ["new"]


def test_an_edit_of_a_forgotten_message_stores_nothing(store: Store) -> None:
    prepare(store, STONE)
    edited = replace(bubble(4, "edited", at_s=-1), edited_at=START + timedelta(hours=1))
    assert store.messages.add([edited]) == 0


def test_a_persons_tombstone_refuses_their_messages_of_all_times_and_nobody_elses(store: Store) -> None:
    anna = member_id(None, "Anna")
    prepare(store, *(replace(STONE, person_id=one, up_to_id=0) for one in (7, anna)))
    later = [bubble(number, str(number), at_s=number) for number in range(1, 5)]
    who: list[tuple[int | None, str]] = [(7, "Vera"), (8, "Vera"), (None, "anna"), (None, "Boris")]
    store.messages.add([by(message, *sender) for message, sender in zip(later, who, strict=True)])
    store.messages.add([by(bubble(9, "mine", origin=Origin.OWNER, at_s=9), 7, None)])
    assert [one.text for one in store.messages.window(101, limit=9)] == ["2", "4", "mine"]


def test_removing_takes_away_all_ids_of_the_chat(store: Store) -> None:
    prepare(
        store, STONE, replace(STONE, chat_id=900), replace(STONE, person_id=7), replace(STONE, chat_id=3, same_as=3)
    )
    assert set(store.tombstones.forgotten_chats()) == {101, 900, 3}
    assert store.tombstones.remove(101) == 2
    assert {(one.chat_id, one.person_id) for one in store.tombstones.all()} == {(101, 7), (3, 0)}


def test_a_second_forgetting_counts_from_its_own_time(store: Store) -> None:
    later = replace(STONE, forgotten_at=START + timedelta(days=1))
    prepare(store, STONE, later)
    assert store.tombstones.all() == [later]
