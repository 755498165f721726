"""Chats keep what the owner decided about them, and are found by name."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from fakes import START, FakeClock, bubble

from userbot.domain.errors import ChatNotFoundError, ConsentError
from userbot.domain.messages import Chat, ChatKind, Mode, Origin
from userbot.store import Store


def test_import_never_overwrites_the_owners_decisions(store: Store, friend: Chat, clock: FakeClock) -> None:
    store.chats.set_mode(friend.id, Mode.AUTO)
    store.chats.record_consent(friend.id, by="Vera, by phone")
    store.chats.save([replace(friend, title="Vera P.", username=None, access_hash=None)])
    chat = store.chats.get(friend.id)
    assert chat is not None
    assert (chat.title, chat.mode, chat.consent_by, chat.username, chat.access_hash) == (
        "Vera P.", Mode.AUTO, "Vera, by phone", "vera", 7,
    )  # fmt: skip
    assert chat.consent_at == clock.now


@pytest.mark.parametrize("text", ["101", "@vera", "VERA", "ver"])
def test_chat_is_found_by_id_username_title_or_part(store: Store, friend: Chat, text: str) -> None:
    assert store.chats.find(text).id == friend.id


def test_unknown_and_ambiguous_chats_are_refused(store: Store, friend: Chat) -> None:
    store.chats.save([Chat(id=102, kind=ChatKind.PRIVATE, title="Vera Work")])
    with pytest.raises(ChatNotFoundError) as missing:
        store.chats.find("Boris")
    assert str(missing.value) == "No chat fits 'Boris'. `clone chats list` shows the chats and their ids."
    with pytest.raises(ChatNotFoundError) as several:
        store.chats.find("er")
    assert str(several.value) == "2 chats fit 'er': Vera (101), Vera Work (102). Give the id, such as 101."


@pytest.mark.parametrize("text", ["", " ", "@"])
def test_no_name_finds_no_chat(store: Store, text: str) -> None:
    store.chats.save([Chat(id=7, kind=ChatKind.PRIVATE, title="Without a username")])
    with pytest.raises(ChatNotFoundError, match="No chat is named"):
        store.chats.find(text)


def test_part_of_a_title_is_not_enough_where_somebody_else_could_be_hit(store: Store, friend: Chat) -> None:
    assert store.chats.find("vera", whole=True).id == friend.id
    with pytest.raises(ChatNotFoundError) as caught:
        store.chats.find("ver", whole=True)
    assert str(caught.value) == (
        "No chat is called 'ver'; Vera (101) comes near. Give the whole title or the id: "
        "this decides who is answered or trained on."
    )


@pytest.mark.parametrize("kind", [ChatKind.BOT, ChatKind.CHANNEL, ChatKind.SERVICE, ChatKind.SAVED])
def test_bots_channels_and_service_chats_can_never_be_allowed(store: Store, kind: ChatKind) -> None:
    store.chats.save([Chat(id=500, kind=kind, title="Not a person")])
    with pytest.raises(ConsentError, match="only Telegram's private chats and groups are ever answered"):
        store.chats.set_mode(500, Mode.AUTO)
    assert store.chats.allowed() == []


def test_consent_is_recorded_with_time_and_words_and_can_be_withdrawn(
    store: Store, friend: Chat, clock: FakeClock
) -> None:
    store.chats.record_consent(friend.id, by="Vera, by phone")
    chat = store.chats.get(friend.id)
    assert chat is not None and (chat.consent_at, chat.consent_by) == (clock(), "Vera, by phone")
    store.chats.withdraw_consent(friend.id)
    chat = store.chats.get(friend.id)
    assert chat is not None and (chat.consent_at, chat.consent_by) == (None, None)


def test_chats_are_counted_by_origin_with_the_owners_most_frequent_first(store: Store, friend: Chat) -> None:
    store.chats.save([Chat(id=5, kind=ChatKind.PRIVATE, title="Ann"), Chat(id=6, kind=ChatKind.PRIVATE, title="Bo")])
    store.messages.add([bubble(1, "hi"), bubble(2, "hey", origin=Origin.CLONE), bubble(3, "a", origin=Origin.OWNER)])
    store.messages.add(bubble(n, "b", chat_id=5, origin=Origin.OWNER, at_s=n) for n in (1, 2))
    counts = store.chats.count()
    assert [(row.chat.title, row.contact, row.owner, row.clone) for row in counts] == [
        ("Ann", 0, 2, 0), ("Vera", 1, 1, 1), ("Bo", 0, 0, 0),
    ]  # fmt: skip
    assert (counts[0].newest_at, counts[2].newest_at) == (START + timedelta(seconds=2), None)


def test_only_chats_that_may_be_answered_are_allowed(store: Store, friend: Chat) -> None:
    store.chats.save([Chat(id=5, kind=ChatKind.GROUP, title="Club"), Chat(id=6, kind=ChatKind.PRIVATE, title="Bo")])
    store.chats.set_mode(friend.id, Mode.AUTO)
    store.chats.set_mode(5, Mode.DRAFT)
    assert [chat.title for chat in store.chats.allowed()] == ["Club", "Vera"]


def test_mode_of_an_unknown_chat_is_refused(store: Store) -> None:
    with pytest.raises(ChatNotFoundError, match="No chat has the id 999"):
        store.chats.set_mode(999, Mode.OFF)


def test_relationship_is_remembered_and_forgotten(store: Store, friend: Chat) -> None:
    for words, stored in (("my sister", "my sister"), ("", None)):
        store.chats.set_relationship(friend.id, words)
        chat = store.chats.get(friend.id)
        assert chat is not None and chat.relationship == stored
