"""What a verdict needs to know, read from the store."""

from __future__ import annotations

from collections.abc import Container
from datetime import timedelta

from fakes import START, FakeClock, bubble

from userbot.domain.messages import Chat, ChatKind, Origin
from userbot.reply.policy import PolicyInput
from userbot.reply.situation import note_own_draft, read_own_drafts, read_pause, read_situation, write_pause
from userbot.store import Store
from userbot.store.facts import OWNER_USERNAME
from userbot.store.replies import Bubble, Decision, ReplyState

GROUP = Chat(id=-55, kind=ChatKind.GROUP, title="Hike")


def _read(store: Store, chat_id: int = 101, addressed_ids: Container[int] = ()) -> PolicyInput | None:
    return read_situation(store, chat_id, limit=20, owner_seen_at=START, addressed_ids=addressed_ids)


def test_chat_without_a_burst_has_no_situation(store: Store, ally: Chat) -> None:
    assert _read(store) is None
    assert _read(store, 999) is None
    store.messages.add([bubble(1, "hi"), bubble(2, "hey", origin=Origin.OWNER, at_s=1)])
    assert _read(store) is None


def test_situation_holds_burst_and_window(store: Store, ally: Chat) -> None:
    store.messages.add([bubble(1, "hey", origin=Origin.OWNER), bubble(2, "hi", at_s=1)])
    write_pause(store, START + timedelta(hours=1))
    situation = _read(store)
    assert situation is not None
    assert [message.id for message in situation.burst] == [2]
    assert [message.id for message in situation.window] == [1, 2]
    assert situation.chat == store.chats.get(ally.id)
    assert (situation.owner_seen_at, situation.paused_until) == (START, START + timedelta(hours=1))


def test_replies_are_counted_by_hour_by_day_and_since_the_owner_wrote(
    store: Store, clock: FakeClock, ally: Chat
) -> None:
    store.messages.add([bubble(1, "hey", origin=Origin.OWNER, at_s=-3000)])
    for number, ago_s in enumerate((80_000, 5000, 2000, 100), 10):
        clock.now = START - timedelta(seconds=ago_s)
        decision = Decision(chat_id=101, trigger_id=number, state=ReplyState.QUEUED)
        store.replies.decide(decision, [Bubble(text="x", random_id=number, due_at=clock())])
    clock.now = START
    store.messages.add([bubble(99, "hi")])
    situation = _read(store)
    assert situation is not None
    assert (situation.replies_in_hour, situation.replies_in_day, situation.replies_without_owner) == (2, 4, 2)


def test_owner_who_last_wrote_before_the_window_still_counts(store: Store, ally: Chat) -> None:
    store.messages.add([bubble(1, "hey", origin=Origin.OWNER, at_s=-100)])
    store.messages.add([bubble(number, "hi", at_s=number) for number in range(2, 30)])
    decision = Decision(chat_id=101, trigger_id=2, state=ReplyState.QUEUED)
    store.replies.decide(decision, [Bubble(text="x", random_id=1, due_at=START)])
    situation = _read(store)
    assert situation is not None and situation.replies_without_owner == 1


def test_group_is_addressed_as_telegram_or_the_text_says(store: Store) -> None:
    store.chats.save([GROUP])
    store.messages.add([bubble(1, "who comes?", chat_id=-55)])
    store.facts.set(OWNER_USERNAME, "ann")
    unaddressed, by_telegram = _read(store, -55), _read(store, -55, addressed_ids=[1])
    store.messages.add([bubble(2, "and you, @ann?", chat_id=-55, at_s=1)])
    by_text = _read(store, -55)
    assert [s is not None and s.mentioned for s in (unaddressed, by_telegram, by_text)] == [False, True, True]


def test_pause_is_kept_until_it_is_ended(store: Store) -> None:
    assert read_pause(store) is None
    write_pause(store, START)
    assert read_pause(store) == START
    write_pause(store, None)
    assert read_pause(store) is None


def test_own_drafts_are_remembered_by_chat(store: Store) -> None:
    assert read_own_drafts(store) == {}
    note_own_draft(store, 101, "one")
    note_own_draft(store, -55, "two")
    note_own_draft(store, 101, "three")
    assert read_own_drafts(store) == {101: "three", -55: "two"}
