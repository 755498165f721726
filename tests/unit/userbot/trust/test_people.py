"""Tests of finding people."""

from __future__ import annotations

from dataclasses import replace

import pytest
from fakes import bubble

from userbot.domain.errors import ChatNotFoundError
from userbot.domain.messages import Chat, ChatKind, Origin
from userbot.store import Store
from userbot.trust.people import find_person, list_people

GROUP = Chat(id=101, kind=ChatKind.GROUP, title="Hike")


@pytest.fixture
def hike(store: Store) -> Chat:
    store.chats.save([GROUP])
    who = [(7, "Vera"), (8, "Boris"), (None, "Anna"), (9, "Boris"), (7, "Vera O.")]
    store.messages.add(
        replace(bubble(number, "hi", at_s=number), sender_id=sender, sender_name=name)
        for number, (sender, name) in enumerate(who, start=1)
    )
    store.messages.add([replace(bubble(9, "me", origin=Origin.OWNER, at_s=9), sender_id=1, sender_name="Me")])
    return GROUP


def test_everybody_but_the_owner_is_listed_once(store: Store, hike: Chat) -> None:
    assert [one.name for one in list_people(store, hike)] == ["Vera", "Boris", "Anna", "Boris (2)"]


def test_a_person_is_found_by_id_and_by_name(store: Store, hike: Chat) -> None:
    assert find_person(store, hike, "7").id == 7
    anna = find_person(store, hike, "anna")
    assert anna.id < 0 and sum(anna.wrote(one) for one in store.messages.history(101)) == 1


@pytest.mark.parametrize(("name", "text"), [("Nobody", "Nobody there fits 'Nobody': Vera"), ("5", "Give the id")])
def test_nobody_is_guessed(store: Store, hike: Chat, name: str, text: str) -> None:
    with pytest.raises(ChatNotFoundError, match=text):
        find_person(store, hike, name)
