"""What is stored of what arrives, and whose words it is."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from fakes import START, FakeClock, bubble
from fakes_reply import Core, contact_says

from userbot.domain.events import Arrived, Deleted, Edited, Renamed
from userbot.domain.messages import Chat, ChatKind, Message, Mode, Origin
from userbot.reply.intake import Intake, is_kept, pause_chat, store_deletion, store_edit, store_message, store_name
from userbot.store import Store

STRANGER = Chat(id=202, kind=ChatKind.PRIVATE, title="Stranger")


async def test_stranger_gets_nothing_and_is_not_stored(store: Store, clock: FakeClock, ally: Chat) -> None:
    async with Core(store, clock) as core:
        await core.receive(STRANGER, contact_says(1, "hello", clock, 202))
        await core.advance(600)
        assert core.messenger.acts == []
    assert store.chats.get(202) is None
    assert store.messages.count() == 0


async def test_known_chat_that_is_off_is_not_stored_but_one_with_consent_is(
    store: Store, clock: FakeClock, friend: Chat
) -> None:
    async with Core(store, clock) as core:
        await core.receive(friend, contact_says(1, "hi", clock))
        assert store.messages.count() == 0
        store.consents.give(friend.id, by="Vera")
        await core.receive(friend, contact_says(2, "hi", clock))
        await core.advance(600)
        assert store.messages.count() == 1
        assert core.messenger.acts == []


@pytest.mark.parametrize(
    ("changes", "kept"),
    [
        ({"mode": Mode.AUTO}, True),
        ({"mode": Mode.DRAFT}, True),
        ({"consent_at": START}, True),
        ({}, False),
        ({"mode": Mode.AUTO, "kind": ChatKind.BOT}, False),
        ({"consent_at": START, "kind": ChatKind.CHANNEL}, False),
        ({"mode": Mode.AUTO, "id": 777000}, False),
    ],
)
def test_only_chats_that_the_owner_chose_are_kept(changes: dict[str, object], kept: bool) -> None:
    assert is_kept(replace(STRANGER, **changes)) is kept  # type: ignore[arg-type]  # a test's shorthand


def _store(store: Store, chat: Chat, message: Message, *, automatic: bool = False) -> Intake:
    arrived = Arrived(chat=chat, message=message, automatic=automatic)
    return store_message(store, arrived, pause=timedelta(seconds=1800))


def _paused_until(store: Store) -> object:
    chat = store.chats.get(101)
    assert chat is not None
    return chat.paused_until


def test_message_is_stored_once(store: Store, ally: Chat) -> None:
    assert _store(store, ally, bubble(1, "hi")) is Intake.CONTACT
    assert _store(store, ally, bubble(1, "hi")) is Intake.KNOWN
    assert store.messages.count() == 1


def test_owner_message_pauses_an_answered_chat_from_when_it_was_written(store: Store, ally: Chat) -> None:
    assert _store(store, ally, bubble(1, "hey", origin=Origin.OWNER, at_s=-60)) is Intake.OWNER
    assert _paused_until(store) == START + timedelta(seconds=1740)
    assert _store(store, ally, bubble(1, "hey", origin=Origin.OWNER, at_s=-60)) is Intake.KNOWN


def test_owner_message_pauses_nothing_where_nothing_is_answered(store: Store, friend: Chat) -> None:
    store.consents.give(friend.id, by="Vera")
    assert _store(store, friend, bubble(1, "hey", origin=Origin.OWNER)) is Intake.OWNER
    assert _paused_until(store) is None


def test_automatic_message_pauses_nothing(store: Store, ally: Chat) -> None:
    assert _store(store, ally, bubble(1, "away", origin=Origin.OWNER), automatic=True) is Intake.AUTOMATIC
    assert _paused_until(store) is None


def test_pause_is_never_made_shorter(store: Store, ally: Chat) -> None:
    for seconds in (600, 60, -60):
        pause_chat(store, 101, START + timedelta(seconds=seconds))
        assert _paused_until(store) == START + timedelta(seconds=600)


def test_chat_is_refreshed_by_what_telegram_says_now(store: Store, ally: Chat) -> None:
    _store(store, replace(ally, title="Vera Orlova", username=None, access_hash=None), bubble(1, "hi"))
    chat = store.chats.get(101)
    assert chat is not None
    assert (chat.title, chat.username, chat.access_hash, chat.mode) == ("Vera Orlova", "vera", 7, Mode.AUTO)


def test_edit_reaches_only_what_is_stored(store: Store, ally: Chat) -> None:
    _store(store, ally, bubble(1, "helo"))
    edited = replace(bubble(1, "hello"), edited_at=START)
    assert store_edit(store, Edited(message=edited))
    assert not store_edit(store, Edited(message=replace(edited, id=2)))
    stored = store.messages.get(101, 1)
    assert stored is not None and stored.text == "hello"
    assert store.messages.count() == 1


def test_deletion_without_a_chat_finds_it_by_the_message(store: Store, ally: Chat) -> None:
    _store(store, ally, bubble(1, "hi"))
    _store(store, ally, bubble(2, "you"))
    assert store_deletion(store, Deleted(message_ids=(1, 99))) == {101}
    assert store_deletion(store, Deleted(message_ids=(2,), chat_id=101)) == {101}
    assert store.messages.count() == 0


def test_new_name_of_a_kept_chat_is_stored_and_of_another_is_not(store: Store, ally: Chat) -> None:
    store_name(store, Renamed(chat_id=ally.id, title="Mama", username="mama"))
    store_name(store, Renamed(chat_id=202, title="Stranger", username=None))
    chat = store.chats.get(ally.id)
    assert chat is not None and (chat.title, chat.username, chat.former_usernames) == ("Mama", "mama", ("vera",))
    assert [named.name for named in chat.prompt_names] == ["Vera"]
    assert store.chats.get(202) is None
    store_name(store, Renamed(chat_id=ally.id, title="", username=None))
    chat = store.chats.get(ally.id)
    assert chat is not None and (chat.title, chat.username) == ("Mama", None)


def test_username_that_a_contact_gave_up_is_forgotten_at_their_next_message(store: Store, ally: Chat) -> None:
    _store(store, replace(ally, username=None, access_hash=None), bubble(1, "hi"))
    chat = store.chats.get(ally.id)
    assert chat is not None and chat.username == "vera"
    _store(store, replace(ally, username=None), bubble(2, "hi"))
    chat = store.chats.get(ally.id)
    assert chat is not None and (chat.username, chat.former_usernames) == (None, ("vera",))


def test_username_that_a_stranger_has_now_is_taken_from_its_old_holder_and_nothing_of_the_stranger_is_stored(
    store: Store, ally: Chat
) -> None:
    thief = replace(STRANGER, username="Vera", access_hash=9)
    assert _store(store, thief, bubble(1, "hi", chat_id=thief.id)) is Intake.IGNORED
    chat = store.chats.get(ally.id)
    assert chat is not None and (chat.username, chat.former_usernames) == (None, ("vera",))
    store.chats.save([replace(ally, username="vera")])
    store_name(store, Renamed(chat_id=thief.id, title="Thief", username="vera"))
    chat = store.chats.get(ally.id)
    assert chat is not None and chat.username is None
    assert [one.id for one in store.chats.all()] == [ally.id]
