"""The disclosure index in the database: its queue, its counts, and leaving it."""

from __future__ import annotations

import pytest
from fakes import bubble
from sqlalchemy import text as sql

from userbot.domain.messages import Chat, Origin
from userbot.store import Store
from userbot.store.disclosure import Change, Count


def _count(changes: list[Change]) -> list[Count]:
    """Count each message by its length, the owner's and the contact's."""
    counts = []
    for change in changes:
        for text, by_owner, sign in ((change.was, change.was_by_owner, -1), (change.now, change.now_by_owner, 1)):
            if text is not None:
                owner, contact = (sign, 0) if by_owner else (0, sign)
                counts.append(Count(len(text), change.chat_id, owner, contact, 0, change.said_at))
    return counts


def _drain(store: Store) -> None:
    while store.disclosure.take(_count, limit=2):  # type: ignore[arg-type]  # a list is a sequence
        pass


def _lengths(store: Store) -> dict[int, tuple[int, int]]:
    return {c.term: (c.owner, c.contact) for c in store.disclosure.find(range(50))}


def test_every_stored_message_but_the_clones_and_empty_ones_is_queued_once(store: Store, friend: Chat) -> None:
    first = [bubble(1, "one", chat_id=friend.id), bubble(2, "three", chat_id=friend.id, origin=Origin.OWNER)]
    other = [bubble(3, "the clone", chat_id=friend.id, origin=Origin.CLONE), bubble(4, "", chat_id=friend.id)]
    for _ in range(2):
        store.messages.add([*first, *other])
    assert store.disclosure.count_waiting(limit=99) == 2
    _drain(store)
    assert store.disclosure.count_waiting(limit=99) == 0
    assert _lengths(store) == {3: (0, 1), 5: (1, 0)}
    store.messages.add(first)
    assert store.disclosure.count_waiting(limit=99) == 0


def test_changes_before_a_look_count_once(store: Store, friend: Chat) -> None:
    store.messages.add([bubble(1, "one", chat_id=friend.id)])
    _drain(store)
    with store.engine.begin() as connection:
        for text in ("four", "seventeen", "eight"):
            connection.execute(sql("UPDATE messages SET text = :text"), {"text": text})
    _drain(store)
    assert _lengths(store) == {5: (0, 1)}


def test_words_that_were_the_clones_are_not_counted_away(store: Store, friend: Chat) -> None:
    store.messages.add([bubble(1, "one", chat_id=friend.id), bubble(2, "two", chat_id=friend.id, origin=Origin.CLONE)])
    _drain(store)
    with store.engine.begin() as connection:
        connection.execute(sql("UPDATE messages SET origin = 'owner' WHERE id = 2"))
    _drain(store)
    assert _lengths(store) == {3: (1, 1)}


def test_deleted_messages_take_their_counts_away(store: Store, friend: Chat) -> None:
    store.messages.add([bubble(n, "x" * n, chat_id=friend.id) for n in (1, 2, 3)])
    _drain(store)
    store.messages.mark_deleted(friend.id, [2])
    with store.engine.begin() as connection:
        connection.execute(sql("DELETE FROM messages WHERE id = 3"))
    _drain(store)
    assert _lengths(store) == {1: (0, 1)}


def test_rows_that_are_deleted_leave_no_words_and_their_chat_is_counted_again(store: Store, friend: Chat) -> None:
    store.messages.add([bubble(n, "x" * n, chat_id=friend.id) for n in (1, 2, 3, 4)])
    _drain(store)
    with store.engine.begin() as connection:
        connection.execute(sql("UPDATE messages SET text = 'changed' WHERE id IN (2, 3)"))
        connection.execute(sql("DELETE FROM messages WHERE id >= 3"))
        queued = connection.execute(sql("SELECT id, was FROM disclosure_queue")).all()
    assert [tuple(row) for row in queued] == [(2, "xx")]
    assert store.disclosure.count_waiting(limit=9) == 2
    _drain(store)
    assert _lengths(store) == {1: (0, 1), 7: (0, 1)}
    assert store.disclosure.count_waiting(limit=9) == 0


def test_message_that_comes_back_after_its_deletion_is_counted_once(store: Store, friend: Chat) -> None:
    first = bubble(1, "one", chat_id=friend.id)
    for origin in (Origin.CLONE, Origin.CONTACT):
        store.messages.add([bubble(1, "one", chat_id=friend.id, origin=origin)])
        with store.engine.begin() as connection:
            connection.execute(sql("UPDATE messages SET text = 'four'"))
            connection.execute(sql("DELETE FROM messages"))
    store.messages.add([first])
    _drain(store)
    assert _lengths(store) == {3: (0, 1)}


def test_forgotten_chat_leaves_nothing(store: Store, friend: Chat) -> None:
    store.messages.add([bubble(1, "one", chat_id=friend.id)])
    _drain(store)
    store.messages.add([bubble(2, "three", chat_id=friend.id)])
    store.withheld.add(friend.id, 2, kind="a name", text="Rex")
    store.disclosure.forget_chat(friend.id)
    assert (_lengths(store), store.disclosure.count_waiting(limit=9), store.withheld.newest(limit=9)) == ({}, 0, [])


def test_rebuilding_queues_everything_again(store: Store, friend: Chat) -> None:
    store.messages.add([bubble(n, "x" * n, chat_id=friend.id) for n in (1, 2)])
    _drain(store)
    store.disclosure.rebuild()
    assert (store.disclosure.count_waiting(limit=9), _lengths(store)) == (2, {})
    assert store.disclosure.count_waiting(limit=1) == 1


def test_failure_while_counting_leaves_the_queue_as_it_was(store: Store, friend: Chat) -> None:
    store.messages.add([bubble(1, "one", chat_id=friend.id)])

    def fail(_changes: object) -> list[Count]:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        store.disclosure.take(fail, limit=2)
    assert store.disclosure.count_waiting(limit=9) == 1


def test_key_is_made_once_and_kept(store: Store) -> None:
    assert store.disclosure.key() == store.disclosure.key()
    assert len(store.disclosure.key()) == 16
