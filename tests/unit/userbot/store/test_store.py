"""The store keeps each message once, remembers decisions, and protects its files."""

from __future__ import annotations

import sqlite3
import stat
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from fakes import START, FakeClock, bubble
from sqlalchemy.exc import IntegrityError

from userbot.domain.errors import ChatNotFoundError, ConsentError, StoreError, StoreNewerError
from userbot.domain.messages import Chat, ChatKind, Mode, Origin
from userbot.store import Store
from userbot.store.commands import Answer
from userbot.store.facts import OWNER_ID
from userbot.store.replies import Bubble, Decision, OutboxState, ReplyState, SentCounts
from userbot.store.schema import metadata


def test_upgrade_from_empty_equals_the_metadata(store: Store) -> None:
    with store.engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, metadata) == []


def test_database_and_its_side_files_are_private(store: Store, tmp_path: Path) -> None:
    store.facts.set(OWNER_ID, 1)
    files = sorted(path.name for path in (tmp_path / "home").iterdir())
    assert files == ["clone.db", "clone.db-shm", "clone.db-wal"]
    for path in (tmp_path / "home").iterdir():
        assert stat.S_IMODE(path.stat().st_mode) == 0o600, path.name


def test_newer_database_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "clone.db"
    Store.open(path).close()
    with sqlite3.connect(path) as raw:
        raw.execute("UPDATE alembic_version SET version_num = '9999'")
    raw.close()
    with pytest.raises(StoreNewerError) as caught:
        Store.open(path)
    assert str(caught.value) == (
        f"The database {path} has version 9999, newer than this program knows. "
        f"Upgrade with: pip install -U telegram-clone"
    )


def test_file_that_is_no_database_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "clone.db"
    path.write_text("this is a shopping list " * 100)
    with pytest.raises(StoreError, match="is not a usable database: file is not a database"):
        Store.open(path)


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
        "this decides who is answered or learned from."
    )


@pytest.mark.parametrize("kind", [ChatKind.BOT, ChatKind.CHANNEL, ChatKind.SERVICE, ChatKind.SAVED])
def test_bots_channels_and_service_chats_can_never_be_allowed(store: Store, kind: ChatKind) -> None:
    store.chats.save([Chat(id=500, kind=kind, title="Not a person")])
    with pytest.raises(ConsentError, match="only Telegram's private chats and groups are ever answered"):
        store.chats.set_mode(500, Mode.AUTO)
    assert store.chats.allowed() == []


def _decide(store: Store, *texts: str, trigger: int = 1, state: ReplyState = ReplyState.QUEUED) -> Decision | None:
    bubbles = [Bubble(text=text, random_id=trigger * 100 + n, due_at=START) for n, text in enumerate(texts)]
    return store.replies.decide(Decision(chat_id=101, trigger_id=trigger, state=state), bubbles)


def test_burst_is_decided_once(store: Store, friend: Chat) -> None:
    assert _decide(store, "hey", "you") is not None
    assert _decide(store, "hey again") is None
    assert [item.text for item in store.replies.pending()] == ["hey", "you"]
    chat = store.chats.get(friend.id)
    assert chat is not None and chat.handled_id == 1


def test_held_burst_may_be_decided_again(store: Store, friend: Chat) -> None:
    _decide(store, state=ReplyState.HELD)
    chat = store.chats.get(friend.id)
    assert chat is not None and chat.handled_id == 0
    assert _decide(store, "hey") is not None
    assert [item.text for item in store.replies.pending()] == ["hey"]


def test_sent_bubbles_become_the_clones_messages_and_close_the_reply(store: Store, friend: Chat) -> None:
    _decide(store, "hey", "you")
    for n, item in enumerate(store.replies.pending()):
        store.replies.mark_sent(item, bubble(50 + n, item.text, origin=Origin.CLONE))
        expected = ReplyState.SENT if n else ReplyState.QUEUED
        assert store.replies.newest()[0].state is expected
    assert store.replies.is_clone_message(101, 51)
    assert not store.replies.is_clone_message(101, 52)
    assert store.messages.count(Origin.CLONE) == 2


def test_echo_that_came_first_is_still_the_clones(store: Store, friend: Chat) -> None:
    _decide(store, "hey")
    store.messages.add([bubble(50, "hey", origin=Origin.OWNER)])
    [item] = store.replies.pending()
    store.replies.mark_sent(item, bubble(50, "hey", origin=Origin.CLONE))
    assert store.messages.count(Origin.OWNER) == 0


def test_cancelled_reply_leaves_nothing_pending(store: Store, friend: Chat) -> None:
    decision = _decide(store, "hey", "you")
    assert decision is not None
    assert store.replies.cancel(decision.id, reason="the owner wrote") == 2
    assert store.replies.pending() == []
    assert [item.state for item in store.replies.parts(decision.id)] == [OutboxState.CANCELLED] * 2
    assert store.replies.newest()[0].reason == "the owner wrote"


def test_sent_replies_are_counted_by_chat_and_time(store: Store, friend: Chat, clock: FakeClock) -> None:
    _decide(store, "a", trigger=1)
    clock.advance(3600)
    _decide(store, "b", trigger=2)
    _decide(store, trigger=3, state=ReplyState.REFUSED)
    assert store.replies.sent_since(START) == 2
    assert store.replies.sent_since(clock.now, chat_id=101) == 1
    assert store.replies.sent_since(START, chat_id=999) == 0
    counts = store.replies.count_sent(101, hour_ago=clock.now, day_ago=START, since=START)
    assert (counts.in_hour, counts.in_day, counts.since) == (1, 2, 2)
    assert store.replies.count_sent(999, hour_ago=START, day_ago=START, since=START) == SentCounts(0, 2, 0)


def test_later_decision_closes_what_was_held(store: Store, friend: Chat) -> None:
    _decide(store, trigger=1, state=ReplyState.HELD)
    _decide(store, "hey", trigger=2)
    states = [(decision.state, decision.reason) for decision in store.replies.newest(limit=9)]
    assert states == [(ReplyState.QUEUED, None), (ReplyState.CANCELLED, "answered with a later burst")]


def test_bubble_is_claimed_only_while_it_is_pending(store: Store, friend: Chat) -> None:
    decision = _decide(store, "hey", "you")
    assert decision is not None
    first, second = store.replies.pending()
    assert store.replies.claim(first.id)
    assert store.replies.find_unconfirmed(101, "hey", sent_at=START) is not None
    assert store.replies.find_unconfirmed(101, "you", sent_at=START) is None
    assert store.replies.find_unconfirmed(101, "hey", sent_at=START - timedelta(hours=1)) is None
    assert store.replies.find_unconfirmed(101, "hey", sent_at=START + timedelta(days=2)) is None
    store.replies.cancel(decision.id, reason="the owner wrote")
    assert not store.replies.claim(second.id)


def test_reply_that_is_partly_out_stays_sent_when_cancelled(store: Store, friend: Chat) -> None:
    decision = _decide(store, "hey", "you")
    assert decision is not None
    store.replies.mark_sent(store.replies.pending()[0], bubble(50, "hey", origin=Origin.CLONE))
    store.replies.cancel(decision.id, reason="the owner wrote")
    newest = store.replies.newest()[0]
    assert (newest.state, newest.reason) == (ReplyState.SENT, "the owner wrote")


def test_message_text_stands_in_no_error_of_the_database(store: Store) -> None:
    with pytest.raises(IntegrityError) as caught:
        store.messages.add([bubble(1, "a secret", chat_id=999)])
    assert "a secret" not in str(caught.value)


def test_facts_are_remembered_and_forgotten(store: Store) -> None:
    store.facts.set(OWNER_ID, 42)
    store.facts.set(OWNER_ID, 43)
    assert store.facts.get(OWNER_ID) == 43
    store.facts.set(OWNER_ID, None)
    assert store.facts.get(OWNER_ID) is None


def test_command_that_lay_around_is_given_up(store: Store, clock: FakeClock) -> None:
    old = store.commands.leave("undo", "")
    clock.advance(600)
    fresh = store.commands.leave("status", "")
    store.commands.give_up(clock() - timedelta(minutes=5), text="too late")
    assert [command.id for command in store.commands.waiting()] == [fresh]
    answer = store.commands.read_answer(old)
    assert answer is not None and (answer.text, answer.failed) == ("too late", True)


def test_command_is_answered_once(store: Store) -> None:
    number = store.commands.leave("pause", "2h")
    assert [(c.verb, c.argument) for c in store.commands.waiting()] == [("pause", "2h")]
    assert store.commands.read_answer(number) is None
    store.commands.answer(number, "no such chat", failed=True)
    assert store.commands.waiting() == []
    assert store.commands.read_answer(number) == Answer("no such chat", failed=True)
