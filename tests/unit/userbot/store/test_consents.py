"""The ledger of consents: only added to, each account's own, and what it makes of adapters."""

from __future__ import annotations

import sqlite3
from dataclasses import replace
from datetime import timedelta

import pytest
from fakes import FakeClock, bubble

from userbot.domain.consent import FORGOTTEN, Action
from userbot.domain.messages import Chat, ChatKind, Message
from userbot.store import Store
from userbot.store.facts import OWNER_ID

CLUB = -1_000_000_000_007
DATA = {"train": {"chats": {"101": {"first_id": 1, "last_id": 9}}}, "held_out": {"chats": {"102": {}}},
        "known": {"103": {}}}  # fmt: skip


def said(message_id: int, sender_id: int, name: str) -> Message:
    return replace(bubble(message_id, "hi", chat_id=CLUB), sender_id=sender_id, sender_name=name)


@pytest.fixture
def consenting(store: Store) -> Store:
    for chat_id in (101, 102, 103, 104):
        store.chats.save([Chat(id=chat_id, kind=ChatKind.PRIVATE, title="somebody")])
        store.consents.give(chat_id, by="them")
    return store


@pytest.fixture
def club(store: Store) -> Chat:
    chat = Chat(id=CLUB, kind=ChatKind.GROUP, title="Club")
    store.chats.save([chat])
    store.messages.add([said(1, 5, "Anna"), said(2, 6, "Boris")])
    return chat


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE consents SET given_by = 'Vera'",
        "UPDATE consents SET action = 'given'",
        "UPDATE consents SET given_by = NULL, wording = NULL",
        "DELETE FROM consents",
        "REPLACE INTO consents (id, chat_id, action, at, origin) VALUES (1, 101, 'given', 0, 'owner')",
        "INSERT OR REPLACE INTO consents (id, chat_id, action, at, origin) VALUES (1, 101, 'given', 0, 'owner')",
        "UPDATE OR REPLACE consents SET id = 1 WHERE id = 2",
    ],
)
def test_rows_edited_by_hand_are_refused(store: Store, friend: Chat, statement: str) -> None:
    store.consents.give(friend.id, by="Vera")
    store.consents.take_back(friend.id)
    before = store.consents.history()
    connection = sqlite3.connect(str(store.engine.url.database))
    with pytest.raises(sqlite3.IntegrityError, match="the ledger of consents is append-only"):
        connection.execute(statement)
    connection.close()
    assert store.consents.history() == before


def test_consents_and_withdrawals_stay_in_the_ledger(store: Store, friend: Chat, clock: FakeClock) -> None:
    store.consents.give(friend.id, by="Vera")
    store.consents.take_back(friend.id, reason="she asked")
    store.consents.give(friend.id, by="Vera again")
    rows = store.consents.history(friend.id)
    assert [(one.action, one.given_by, one.reason, one.at) for one in rows] == [
        (Action.GIVEN, "Vera", None, clock()),
        (Action.WITHDRAWN, None, "she asked", clock()),
        (Action.GIVEN, "Vera again", None, clock()),
    ]
    assert store.consents.consented(friend.id)


def test_a_chat_that_is_deleted_keeps_its_rows(store: Store, friend: Chat) -> None:
    store.consents.give(friend.id, by="Vera")
    with store.engine.begin() as connection:
        connection.exec_driver_sql("DELETE FROM chats")
    assert [one.chat_id for one in store.consents.history()] == [friend.id]


def test_another_account_has_a_ledger_of_its_own(store: Store, friend: Chat) -> None:
    store.facts.set(OWNER_ID, 1)
    store.consents.bind(1)
    store.consents.give(friend.id, by="Vera")
    store.facts.set(OWNER_ID, 2)
    store.consents.bind(2)
    assert not store.consents.consented(friend.id)
    assert store.consents.find_withdrawn({"train": {"chats": {"101": {}}}}) == [101]
    chat = store.chats.get(friend.id)
    assert chat is not None and chat.consent_at is None
    store.facts.set(OWNER_ID, 1)
    store.consents.bind(1)
    assert store.consents.consented(friend.id)
    chat = store.chats.get(friend.id)
    assert chat is not None and chat.consent_by == "Vera"


def test_what_was_recorded_before_the_first_login_belongs_to_the_account_that_logs_in_first(
    store: Store, friend: Chat
) -> None:
    store.consents.give(friend.id, by="Vera")
    for account_id in (1, 2, 1):
        store.facts.set(OWNER_ID, account_id)
        store.consents.bind(account_id)
        assert store.consents.consented(friend.id) is (account_id == 1)


def test_consent_from_a_day_on_covers_messages_from_then(store: Store, friend: Chat, clock: FakeClock) -> None:
    store.consents.append(friend.id, Action.GIVEN, since=clock(), given_by="Vera")
    assert store.consents.consented(friend.id, clock())
    assert not store.consents.consented(friend.id, clock() - timedelta(milliseconds=1))


def test_a_group_is_asked_again_when_somebody_new_writes(store: Store, club: Chat) -> None:
    store.consents.give(CLUB, by="both")
    assert store.consents.consented(CLUB)
    store.messages.add([said(3, 7, "Clara")])
    assert store.consents.state(CLUB).missing == (7,) and not store.consents.consented(CLUB)
    assert store.consents.find_withdrawn({"train": {"chats": {str(CLUB): {}}}}) == []


def test_writers_of_whom_only_the_name_is_known_are_members_too(store: Store, club: Chat) -> None:
    store.messages.add([replace(said(3, 7, "Clara"), sender_id=None)])
    store.consents.give(CLUB, by="all three")
    assert store.consents.consented(CLUB) and sorted(store.consents.members(CLUB).values()) == [
        "Anna",
        "Boris",
        "Clara",
    ]
    store.messages.add([replace(said(4, 7, "Dora"), sender_id=None)])
    assert not store.consents.consented(CLUB)


@pytest.mark.parametrize("chat_id", [101, 102, 103])
def test_a_chat_counts_whether_trained_on_held_out_or_known_from_a_parent(consenting: Store, chat_id: int) -> None:
    assert consenting.consents.find_withdrawn(DATA) == []
    consenting.consents.take_back(104)
    assert consenting.consents.find_withdrawn(DATA) == []
    consenting.consents.take_back(chat_id)
    assert consenting.consents.find_withdrawn(DATA) == [chat_id]


def test_a_chat_that_the_ledger_does_not_know_has_no_consent(consenting: Store) -> None:
    assert consenting.consents.find_withdrawn({"train": {"chats": {"999": {}}}}) == [999]


def test_a_new_consent_from_a_later_day_makes_what_was_learned_before_stale(
    store: Store, friend: Chat, clock: FakeClock
) -> None:
    store.messages.add([bubble(1, "hi"), bubble(9, "hey", at_s=60)])
    data = {"names_at": clock().isoformat(), "train": DATA["train"]}
    clock.advance(100)
    store.consents.append(friend.id, Action.GIVEN, since=clock(), given_by="Vera")
    assert store.consents.find_withdrawn(data) == [friend.id]
    assert store.consents.find_withdrawn(data | {"names_at": clock().isoformat()}) == []


def test_forgetting_a_chat_takes_names_out_and_leaves_what_happened(store: Store, friend: Chat) -> None:
    store.consents.give(friend.id, by="Vera")
    store.consents.take_back(friend.id)
    store.consents.erase_names(friend.id)
    assert store.consents.history()[0].given_by == "Vera"
    store.consents.take_back(friend.id, reason=FORGOTTEN)
    store.consents.erase_names(friend.id)
    assert [(one.action, one.given_by, one.reason) for one in store.consents.history()] == [
        (Action.GIVEN, None, None), (Action.WITHDRAWN, None, None), (Action.WITHDRAWN, None, FORGOTTEN),
    ]  # fmt: skip


def test_a_consent_after_forgetting_does_not_cover_what_was_learned_before(consenting: Store, clock: FakeClock) -> None:
    before = {**DATA, "names_at": clock().isoformat()}
    clock.advance(60)
    consenting.consents.append(101, Action.WITHDRAWN, reason=FORGOTTEN)
    clock.advance(60)
    consenting.consents.give(101, by="them, again")
    after = {**DATA, "names_at": clock().isoformat()}
    assert consenting.consents.find_withdrawn(before) == [101]
    assert consenting.consents.find_withdrawn(DATA) == [101], "of a version that did not say when it read"
    assert consenting.consents.find_withdrawn(after) == []
