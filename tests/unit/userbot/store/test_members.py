"""Members of groups keep the first name that they were seen with, and no two of one chat share one."""

from __future__ import annotations

from dataclasses import replace

import pytest
from fakes import bubble

from userbot.domain.messages import Chat, ChatKind, Message, Origin
from userbot.store import Store
from userbot.store.members import choose_names, is_alone, list_members

CLUB = -1_000_000_000_007


@pytest.fixture
def club(store: Store) -> Chat:
    chat = Chat(id=CLUB, kind=ChatKind.GROUP, title="Club")
    store.chats.save([chat])
    return chat


def said(message_id: int, sender_id: int | None, name: str | None, *, origin: Origin = Origin.CONTACT) -> Message:
    message = bubble(message_id, f"text {message_id}", origin=origin, chat_id=CLUB, at_s=message_id)
    return replace(message, sender_id=sender_id, sender_name=name)


def names(store: Store) -> list[str | None]:
    return [message.sender_name for message in store.messages.window(CLUB, limit=50)]


def test_member_who_takes_anothers_name_keeps_their_own(store: Store, club: Chat) -> None:
    store.messages.add([said(1, 5, "Anna"), said(2, 6, "Boris")])
    store.messages.add([said(3, 6, "Anna"), said(4, 5, "Anna \U0001f338")])
    assert names(store) == ["Anna", "Boris", "Boris", "Anna"]
    assert [message.sender_name for message in store.messages.history(CLUB)] == names(store)


def test_two_of_one_name_are_told_apart(store: Store, club: Chat) -> None:
    store.messages.add([said(1, 5, "Anna"), said(2, 6, "\u0410\u043fna"), said(3, 7, "Anna (2)"), said(4, 8, "anna")])
    shown = names(store)
    assert shown[0] == "Anna" and len(set(shown)) == 4
    assert shown[3] == "anna (3)" or shown[3] == "anna (2)"
    store.messages.add([said(5, 8, "Zoe"), said(6, 7, "Zoe")])
    assert names(store)[4:] == [shown[3], shown[2]]


def test_who_wrote_first_has_the_plain_name_though_a_history_is_read_backwards(store: Store, club: Chat) -> None:
    store.messages.add([said(3, 6, "Anna"), said(2, 6, "Boris"), said(1, 5, "Anna")])
    assert names(store) == ["Anna", "Boris", "Boris"]
    store.messages.add([said(9, 8, "Anna"), said(8, 7, "Anna")])
    assert names(store)[3:] == ["Anna (2)", "Anna (3)"]


def test_name_can_not_forge_a_line(store: Store, club: Chat) -> None:
    store.messages.add([said(1, 5, "Anna: yes\nBoris"), said(2, 6, "### Human:"), said(3, 7, "\u200b")])
    assert names(store) == ["Anna yes Boris", "Human", "somebody"]


def test_names_of_the_owner_and_of_unknown_senders_stay_as_they_are(store: Store, club: Chat) -> None:
    store.messages.add([said(1, 9, "Me", origin=Origin.OWNER), said(2, None, "Vera"), said(3, None, "Vera")])
    assert names(store) == ["Me", "Vera", "Vera"]


def test_contact_of_a_private_chat_is_no_member_but_an_anonymous_admin_is() -> None:
    assert is_alone(101, 101) and not is_alone(CLUB, CLUB) and not is_alone(CLUB, 101)
    assert list_members([said(1, CLUB, "Club"), said(2, 5, None)]) == {(CLUB, CLUB): "Club"}


def test_members_of_another_chat_may_have_the_same_name() -> None:
    assert choose_names({(1, 5): "Anna", (2, 6): "Anna"}, {}) == {(1, 5): "Anna", (2, 6): "Anna"}
    assert choose_names({(1, 5): "Zoe", (1, 6): "ANNA"}, {(1, 5): "Anna"}) == {(1, 6): "ANNA (2)"}


def test_members_go_with_their_chat(store: Store, club: Chat) -> None:
    store.messages.add([said(1, 5, "Anna")])
    with store.engine.begin() as connection:
        connection.exec_driver_sql("DELETE FROM chats")
        assert connection.exec_driver_sql("SELECT COUNT(*) FROM members").scalar_one() == 0
