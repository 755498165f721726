"""Is this the clone's own message? Every row of the table that the reply path answers for."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest
from fakes import START, FakeClock, bubble
from fakes_reply import Core, ScriptedGenerator, contact_says, owner_says

from userbot.domain.messages import Chat, Message, Origin
from userbot.reply.echo import list_unconfirmed, may_be_on_its_way, settle_echo
from userbot.store import Store
from userbot.store.replies import Bubble, Decision, OutboxItem, ReplyState


async def test_echo_that_comes_before_the_answer_is_not_the_owner(store: Store, clock: FakeClock, ally: Chat) -> None:
    async with Core(store, clock, ScriptedGenerator("one|two")) as core:
        core.messenger.gate = asyncio.Event()
        await core.receive(ally, contact_says(1, "hi", clock))
        await core.advance(8)
        assert core.outbox.is_sending(101)
        await core.receive(ally, owner_says(1001, "one", clock))
        core.messenger.gate.set()
        await core.settle()
        await core.advance(5)
        assert [text for _, text in core.messenger.sent] == ["one", "two"]
    chat = store.chats.get(101)
    assert chat is not None and chat.paused_until is None
    assert store.messages.count(Origin.OWNER) == 0


async def test_echo_after_a_crash_in_mid_send_is_not_the_owner_and_not_sent_again(
    store: Store, clock: FakeClock, ally: Chat
) -> None:
    store.messages.add([contact_says(1, "hi", clock)])
    store.replies.decide(
        Decision(chat_id=101, trigger_id=1, state=ReplyState.QUEUED),
        [Bubble(text="hey", random_id=5, due_at=START + timedelta(seconds=30))],
    )
    store.replies.claim(store.replies.pending()[0].id)
    async with Core(store, clock) as core:
        await core.receive(ally, owner_says(1001, "hey", clock))
        await core.advance(60)
        assert core.messenger.sent == []
    assert store.replies.newest()[0].state is ReplyState.SENT
    assert store.messages.count(Origin.OWNER) == 0


@pytest.fixture
def tried(store: Store, ally: Chat) -> OutboxItem:
    """A bubble that was being sent when the daemon was killed."""
    store.replies.decide(
        Decision(chat_id=ally.id, trigger_id=1, state=ReplyState.QUEUED),
        [Bubble(text="hey", random_id=5, due_at=START)],
    )
    [item] = store.replies.pending()
    store.replies.claim(item.id)
    return item


def test_delivered_bubble_is_known_by_its_id_whatever_it_says_now(store: Store, tried: OutboxItem) -> None:
    store.replies.mark_sent(tried, bubble(1001, "hey", origin=Origin.CLONE))
    assert settle_echo(store, bubble(1001, "hey, edited", origin=Origin.OWNER))


def test_tried_bubble_accounts_for_one_message_and_is_sent_then(store: Store, tried: OutboxItem) -> None:
    assert settle_echo(store, bubble(1001, "hey", origin=Origin.OWNER, at_s=2))
    assert store.replies.pending() == []
    assert store.messages.count(Origin.CLONE) == 1
    assert not settle_echo(store, bubble(1002, "hey", origin=Origin.OWNER, at_s=4))


@pytest.mark.parametrize(
    "message",
    [
        bubble(1001, "hey you", origin=Origin.OWNER),
        bubble(1001, "hey", origin=Origin.OWNER, chat_id=102),
        bubble(1001, "hey", origin=Origin.OWNER, at_s=2 * 86400),
    ],
    ids=["other words", "other chat", "days later"],
)
def test_anything_else_is_the_owners(store: Store, tried: OutboxItem, message: Message) -> None:
    assert not settle_echo(store, message)
    assert len(store.replies.pending()) == 1
    assert store.messages.count() == 0


def test_bubble_that_was_never_tried_accounts_for_nothing(store: Store, ally: Chat) -> None:
    decision = Decision(chat_id=ally.id, trigger_id=1, state=ReplyState.QUEUED)
    store.replies.decide(decision, [Bubble(text="hey", random_id=5, due_at=START)])
    assert not settle_echo(store, bubble(1001, "hey", origin=Origin.OWNER))
    assert list_unconfirmed(store) == []


def test_message_that_its_traces_call_the_clones_is_stored_so(store: Store, ally: Chat) -> None:
    assert settle_echo(store, bubble(1001, "hey", origin=Origin.CLONE))
    assert store.messages.count(Origin.CLONE) == 1


def test_stored_as_the_clones_is_for_good(store: Store, ally: Chat) -> None:
    store.messages.add([bubble(1001, "hey", origin=Origin.CLONE)])
    store.messages.add([bubble(1001, "hey", origin=Origin.OWNER)])
    assert (store.messages.count(Origin.CLONE), store.messages.count(Origin.OWNER)) == (1, 0)


def test_only_the_owners_account_can_hold_a_bubble_on_its_way() -> None:
    own, theirs = bubble(1, "hey", origin=Origin.OWNER), bubble(2, "hi")
    assert may_be_on_its_way(own, sending=True)
    assert not may_be_on_its_way(own, sending=False)
    assert not may_be_on_its_way(theirs, sending=True)


def test_tried_bubbles_are_listed_for_the_next_run(store: Store, tried: OutboxItem) -> None:
    assert list_unconfirmed(store) == [(tried.chat_id, "hey")]
