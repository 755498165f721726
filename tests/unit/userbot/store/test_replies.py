"""Bursts are decided once, and the outbox knows what became of each bubble."""

from __future__ import annotations

from datetime import timedelta

from fakes import START, FakeClock, bubble

from userbot.domain.messages import Chat, Origin
from userbot.store import Store
from userbot.store.replies import Bubble, Decision, OutboxState, ReplyState, SentCounts


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


def test_bubbles_that_are_given_up_make_the_reply_failed(store: Store, friend: Chat) -> None:
    decision = _decide(store, "hey", "you")
    assert decision is not None
    assert store.replies.fail(decision.id, reason="older than an hour") == 2
    assert [item.state for item in store.replies.parts(decision.id)] == [OutboxState.FAILED] * 2
    assert store.replies.fail(decision.id, reason="again") == 0
    stored = store.replies.get(decision.id)
    assert stored is not None and (stored.state, stored.reason) == (ReplyState.FAILED, "older than an hour")


def test_decision_is_found_by_text_and_by_message(store: Store, friend: Chat) -> None:
    first, second = _decide(store, "hey", trigger=1), _decide(store, "hey", trigger=2)
    assert first is not None and second is not None
    store.replies.mark_sent(store.replies.pending()[0], bubble(50, "hey", origin=Origin.CLONE))
    by_text, by_message = store.replies.by_text("hey"), store.replies.by_message(101, 50)
    assert by_text is not None and by_text.id == second.id
    assert by_message is not None and by_message.id == first.id
    assert store.replies.by_text("other") is None and store.replies.get(999) is None


def test_regrets_are_replies_that_were_undone_or_deleted(store: Store, friend: Chat) -> None:
    for trigger in (1, 2, 3):
        decision = Decision(chat_id=101, trigger_id=trigger, state=ReplyState.QUEUED, adapter_id="a1")
        store.replies.decide(decision, [Bubble(text="hey", random_id=trigger, due_at=START)])
        [item] = store.replies.pending()
        store.replies.mark_sent(item, bubble(50 + trigger, "hey", origin=Origin.CLONE))
    assert store.replies.count_regrets("a1") == (3, 0)
    store.replies.set_state(store.replies.newest()[0].id, ReplyState.UNDONE)
    store.messages.mark_deleted(101, [51])
    assert store.replies.count_regrets("a1") == (3, 2)
    assert store.replies.count_regrets("a2") == (0, 0)


def test_context_and_timings_come_back(store: Store, friend: Chat) -> None:
    decision = Decision(
        chat_id=101, trigger_id=1, state=ReplyState.REFUSED, context_ids=(3, 4), timings={"generation_s": 1.5}
    )
    stored = store.replies.decide(decision)
    assert stored is not None
    assert (stored.context_ids, stored.timings, stored.created_at) == ((3, 4), {"generation_s": 1.5}, START)
