"""Messages are stored once, edited by later edits only, and gone when deleted."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from fakes import START, FakeClock, bubble

from userbot.domain.messages import Chat, ChatKind, Origin
from userbot.store import Store
from userbot.store.decisions import Bubble, Decision, ReplyState


def test_messages_are_stored_once(store: Store, friend: Chat) -> None:
    batch = [bubble(1, "hi"), bubble(2, "there"), bubble(2, "there")]
    assert store.messages.add(batch) == 2
    assert store.messages.add([*batch, bubble(3, "!")]) == 1
    assert [m.text for m in store.messages.history(friend.id)] == ["hi", "there", "!"]


def test_later_edit_replaces_the_text_and_an_older_one_does_not(store: Store, friend: Chat) -> None:
    first = bubble(1, "helo")
    store.messages.add([first])
    store.messages.add([replace(first, text="hello", edited_at=START + timedelta(minutes=2))])
    store.messages.add([replace(first, text="hel", edited_at=START + timedelta(minutes=1))])
    store.messages.add([first])
    assert [m.text for m in store.messages.history(friend.id)] == ["hello"]


def test_window_is_the_newest_messages_oldest_first(store: Store, friend: Chat) -> None:
    store.messages.add(bubble(n, str(n), at_s=n) for n in range(1, 20))
    assert [m.id for m in store.messages.window(friend.id, limit=3)] == [17, 18, 19]


def test_deleted_message_is_read_no_more_and_stays_deleted(store: Store, friend: Chat) -> None:
    store.messages.add([bubble(1, "secret"), bubble(2, "fine")])
    assert store.messages.mark_deleted(friend.id, [1]) == 1
    store.messages.add([bubble(1, "secret")])
    assert [m.id for m in store.messages.window(friend.id, limit=9)] == [2]
    assert store.messages.get(friend.id, 1) is None


def test_edit_does_not_bring_the_words_of_a_deleted_message_back(store: Store, friend: Chat) -> None:
    store.messages.add([bubble(1, "secret")])
    store.messages.mark_deleted(friend.id, [1])
    store.messages.add([replace(bubble(1, "secret"), edited_at=START + timedelta(minutes=1))])
    with store.engine.connect() as connection:
        assert connection.exec_driver_sql("SELECT text FROM messages").scalar_one() == ""


def test_deletion_without_a_chat_finds_private_chats_only(store: Store, friend: Chat) -> None:
    channel = Chat(id=-1_000_000_000_777, kind=ChatKind.GROUP, title="Big group")
    store.chats.save([channel])
    store.messages.add([bubble(5, "a"), bubble(5, "b", chat_id=channel.id)])
    assert store.messages.chats_of([5, 6]) == {5: friend.id}


def test_messages_after_an_id_may_be_of_one_origin(store: Store, friend: Chat) -> None:
    store.messages.add([bubble(1, "a"), bubble(2, "b", origin=Origin.OWNER), bubble(3, "c")])
    assert [m.id for m in store.messages.after(friend.id, 1)] == [2, 3]
    assert [m.id for m in store.messages.after(friend.id, 1, origin=Origin.OWNER)] == [2]


def test_newest_id_counts_deleted_messages(store: Store, friend: Chat) -> None:
    assert store.messages.newest_id(friend.id) == 0
    store.messages.add([bubble(1, "a"), bubble(2, "b")])
    store.messages.mark_deleted(friend.id, [2])
    assert store.messages.newest_id(friend.id) == 2


def test_time_of_a_sides_newest_message(store: Store, friend: Chat) -> None:
    store.messages.add([bubble(1, "a", at_s=5), bubble(2, "b", at_s=9), bubble(3, "c", origin=Origin.OWNER, at_s=7)])
    assert store.messages.last_sent_at(friend.id, Origin.CONTACT) == START + timedelta(seconds=9)
    assert store.messages.last_sent_at(friend.id, Origin.CLONE) is None


def test_new_turns_are_the_owners_own_words_in_chats_with_consent(store: Store, friend: Chat, clock: FakeClock) -> None:
    store.consents.give(friend.id, by="Vera")
    store.chats.save([Chat(id=5, kind=ChatKind.PRIVATE, title="without consent")])
    store.messages.add([bubble(1, "old", origin=Origin.OWNER)])
    since = clock()
    clock.advance(60)
    assert store.messages.count_new_turns(since) == 0
    turn = [bubble(n, "mine", origin=Origin.OWNER, at_s=n) for n in (3, 4)]
    store.messages.add([bubble(2, "hi", at_s=2), *turn, bubble(5, "hm", at_s=5)])
    store.messages.add([replace(bubble(6, "theirs", origin=Origin.OWNER, at_s=6), forwarded=True)])
    store.messages.add([bubble(1, "elsewhere", origin=Origin.OWNER, chat_id=5)])
    assert store.messages.count_new_turns(since) == 1


def test_messages_that_two_chats_share_have_id_and_time_in_common(store: Store, friend: Chat) -> None:
    store.chats.save([Chat(id=5, kind=ChatKind.PRIVATE, title="copy")])
    store.messages.add([bubble(1, "a", at_s=1), bubble(2, "b", at_s=2), bubble(3, "c", at_s=3)])
    store.messages.add([bubble(1, "x", chat_id=5, at_s=1), bubble(2, "y", chat_id=5, at_s=99)])
    assert store.messages.count_shared(friend.id, 5) == 1


def test_texts_of_the_clone_are_found_in_whatever_chat(store: Store, friend: Chat) -> None:
    store.messages.add([bubble(1, "hey", origin=Origin.CLONE), bubble(2, "hi"), bubble(3, "x", origin=Origin.CLONE)])
    assert store.messages.texts_of_clone([1, 2]) == {(1, "hey")}


def test_message_without_a_zone_is_refused(store: Store, friend: Chat) -> None:
    with pytest.raises(ValueError, match="has no time zone"):
        store.messages.add([replace(bubble(1, "a"), sent_at=START.replace(tzinfo=None))])


def test_a_deleted_message_leaves_no_words_anywhere(store: Store, friend: Chat) -> None:
    store.messages.add([replace(bubble(1, "told"), sender_name="Vera")])
    decision = Decision(chat_id=friend.id, trigger_id=1, state=ReplyState.QUEUED)
    waiting = [Bubble(text="waits", random_id=5, due_at=START, reply_to_id=1)]
    store.replies.decide(decision, [Bubble(text="sent words", random_id=4, due_at=START), *waiting])
    store.replies.mark_sent(store.replies.pending(friend.id)[0], bubble(2, "sent words", origin=Origin.CLONE))
    store.withheld.add(friend.id, 1, kind="elsewhere", text="withheld words")
    assert store.messages.mark_deleted(friend.id, [1, 2]) == 2
    [item] = store.replies.pending(friend.id)
    assert (item.text, item.reply_to_id) == ("waits", None)
    with store.engine.connect() as connection:
        for table in ("messages", "outbox", "withheld_answers"):
            rows = repr(connection.exec_driver_sql(f"SELECT * FROM {table}").all())  # noqa: S608 - names above
            assert not any(word in rows for word in ("told", "Vera", "sent words", "withheld words"))
    assert store.messages.add([bubble(1, "told")]) == 0, "an import does not bring it back"
