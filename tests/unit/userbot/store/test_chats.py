"""Chats keep what the owner decided about them, and are found by name."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from fakes import START, FakeClock, bubble

from userbot.domain.errors import ChatNotFoundError, ConsentError
from userbot.domain.messages import Chat, ChatKind, Mode, Origin, PromptName
from userbot.store import Store


def test_import_never_overwrites_the_owners_decisions(store: Store, friend: Chat, clock: FakeClock) -> None:
    store.chats.set_mode(friend.id, Mode.AUTO)
    store.consents.give(friend.id, by="Vera, by phone")
    store.chats.save([replace(friend, title="Vera P.", username=None, access_hash=None)])
    chat = store.chats.get(friend.id)
    assert chat is not None
    assert (chat.title, chat.mode, chat.consent_by, chat.username, chat.access_hash) == (
        "Vera P.", Mode.AUTO, "Vera, by phone", "vera", 7,
    )  # fmt: skip
    assert chat.consent_at == clock.now


@pytest.mark.parametrize("text", ["101", "@vera", "VERA"])
def test_chat_is_found_by_id_username_or_title(store: Store, friend: Chat, text: str) -> None:
    assert store.chats.find(text).id == friend.id


def test_unknown_and_ambiguous_chats_are_refused(store: Store, friend: Chat) -> None:
    store.chats.save([Chat(id=102, kind=ChatKind.PRIVATE, title="Vera Work")])
    with pytest.raises(ChatNotFoundError) as missing:
        store.chats.find("Boris")
    assert str(missing.value) == "No chat fits 'Boris'. `clone chats list` shows the chats and their ids."
    with pytest.raises(ChatNotFoundError) as several:
        store.chats.find("er")
    assert str(several.value) == (
        "No chat is called 'er', but 2 come near: Vera (id 101, @vera); Vera Work (id 102). "
        "Give the id of the right one."
    )


@pytest.mark.parametrize("text", ["", " ", "@"])
def test_no_name_finds_no_chat(store: Store, text: str) -> None:
    store.chats.save([Chat(id=7, kind=ChatKind.PRIVATE, title="Without a username")])
    with pytest.raises(ChatNotFoundError, match="No chat is named"):
        store.chats.find(text)


def test_part_of_a_title_is_not_enough_where_somebody_else_could_be_hit(store: Store, friend: Chat) -> None:
    assert store.chats.find("vera").id == friend.id
    with pytest.raises(ChatNotFoundError) as caught:
        store.chats.find("ver")
    assert str(caught.value) == (
        "No chat is called 'ver', but 1 comes near: Vera (id 101, @vera). Give the id of the right one."
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
    store.consents.give(friend.id, by="Vera, by phone")
    chat = store.chats.get(friend.id)
    assert chat is not None and (chat.consent_at, chat.consent_by) == (clock(), "Vera, by phone")
    store.consents.take_back(friend.id)
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


def _usernames(store: Store) -> dict[int, tuple[str | None, tuple[str, ...]]]:
    return {chat.id: (chat.username, chat.former_usernames) for chat in store.chats.all()}


def test_username_moves_to_whoever_is_seen_with_it(store: Store, friend: Chat) -> None:
    store.chats.save([Chat(id=999, kind=ChatKind.PRIVATE, title="New", username="Vera", access_hash=8)])
    assert _usernames(store) == {friend.id: (None, ("vera",)), 999: ("Vera", ())}
    store.chats.save([replace(friend, username="vera")])
    assert _usernames(store) == {friend.id: ("vera", ()), 999: (None, ("Vera",))}


def test_two_who_swap_their_usernames_at_once_have_each_others(store: Store, friend: Chat) -> None:
    ann = Chat(id=5, kind=ChatKind.PRIVATE, title="Ann", username="ann", access_hash=8)
    store.chats.save([ann])
    store.chats.save([replace(friend, username="ann"), replace(ann, username="vera")])
    assert _usernames(store) == {friend.id: ("ann", ("vera",)), 5: ("vera", ("ann",))}


def test_lost_username_is_forgotten_where_telegram_says_so(store: Store, friend: Chat) -> None:
    store.chats.save([replace(friend, username=None, access_hash=None)])  # says nothing about it
    assert _usernames(store) == {friend.id: ("vera", ())}
    store.chats.save([replace(friend, username=None)])
    assert _usernames(store) == {friend.id: (None, ("vera",))}


def test_refresh_takes_a_username_from_a_stored_chat_without_storing_its_new_holder(store: Store, friend: Chat) -> None:
    stranger = Chat(id=999, kind=ChatKind.PRIVATE, title="New", username="vera", access_hash=8)
    store.chats.refresh([stranger])
    assert _usernames(store) == {friend.id: (None, ("vera",))}
    with pytest.raises(ChatNotFoundError, match=r"999.*@vera.*formerly @vera"):
        store.chats.find("@vera", dialogs=[stranger])


def test_many_chats_are_saved_by_one_query(store: Store, friend: Chat) -> None:
    crowd = [Chat(id=n, kind=ChatKind.PRIVATE, title="x", username=f"user{n}", access_hash=1) for n in range(1, 700)]
    store.chats.save([*(chat for chat in crowd if chat.id not in (7, friend.id)), replace(friend, username="user7")])
    assert _usernames(store)[friend.id] == ("user7", ("vera",))
    assert len(store.chats.all()) == 698


def test_name_for_prompts_is_kept_from_the_first_consent_or_allow_on(
    store: Store, friend: Chat, clock: FakeClock
) -> None:
    store.chats.keep_name(friend.id)
    store.chats.save([replace(friend, title="Mama")])
    store.chats.set_mode(friend.id, Mode.AUTO)
    chat = store.chats.get(friend.id)
    assert chat is not None and chat.title == "Mama"
    assert chat.prompt_names == (PromptName("Vera", clock.now),)
    clock.advance(60)
    assert [store.chats.accept_name(friend.id), store.chats.accept_name(friend.id)] == ["Mama", "Mama"]
    chat = store.chats.get(friend.id)
    assert chat is not None and [named.name for named in chat.prompt_names] == ["Vera", "Mama"]


def test_second_contact_of_one_name_is_called_otherwise_in_prompts(store: Store, friend: Chat) -> None:
    store.chats.set_mode(friend.id, Mode.AUTO)
    others = [
        Chat(id=5, kind=ChatKind.PRIVATE, title="Vеra"),  # another alphabet's е
        Chat(id=2**61 + 9, kind=ChatKind.PRIVATE, title="Vera", source="whatsapp"),
        Chat(id=-7, kind=ChatKind.GROUP, title="Vera"),
    ]
    store.chats.save(others)
    for chat in others:
        store.chats.keep_name(chat.id)
    assert {chat.id: chat.prompt_names[-1].name for chat in store.chats.all()} == {
        friend.id: "Vera", 5: "Vеra (2)", 2**61 + 9: "Vera", -7: "Vera",
    }  # fmt: skip
    assert store.chats.accept_name(5) == "Vеra (2)"


def test_name_of_an_unknown_chat_is_not_accepted(store: Store) -> None:
    with pytest.raises(ChatNotFoundError, match="No chat has the id 999"):
        store.chats.accept_name(999)


def test_description_tells_the_newest_message_that_is_there(store: Store, friend: Chat) -> None:
    assert store.chats.describe(friend) == "Vera (id 101, @vera)"
    store.messages.add([bubble(1, "hi"), bubble(2, "hey", at_s=60)])
    store.messages.mark_deleted(friend.id, [2])
    assert store.chats.describe(friend) == f"Vera (id 101, @vera, last message {START.astimezone():%-d %b %Y %H:%M})"
