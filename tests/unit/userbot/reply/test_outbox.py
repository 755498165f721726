"""Delivery: in order, each bubble once, whatever breaks in between."""

from __future__ import annotations

import sqlite3

import pytest
from fakes import FakeClock
from fakes_reply import PACED, Core, ScriptedGenerator, contact_says

from userbot.domain.errors import (
    FloodError,
    OfflineError,
    SessionLostError,
    SpamLimitError,
    TelegramError,
)
from userbot.domain.messages import Chat, ChatKind, Mode
from userbot.store import Store
from userbot.store.replies import OutboxState, ReplyState


async def test_read_comes_first_then_typing_then_the_bubble(store: Store, clock: FakeClock, ally: Chat) -> None:
    async with Core(store, clock, ScriptedGenerator("a longer answer of some forty characters"), PACED) as core:
        await core.receive(ally, contact_says(1, "hi", clock))
        await core.advance(120)
        acts = [name for name, _ in core.messenger.acts]
    assert acts[:2] == ["read", "typing"]
    assert acts[-1] == "send"
    assert 2 <= acts.count("typing") <= 3


async def test_flood_wait_stops_all_chats_until_it_is_over(store: Store, clock: FakeClock, ally: Chat) -> None:
    other = Chat(id=103, kind=ChatKind.PRIVATE, title="Boris")
    store.chats.save([other])
    store.chats.set_mode(103, Mode.AUTO)
    async with Core(store, clock) as core:
        core.messenger.faults = [FloodError("Wait.", 300)]
        await core.receive(ally, contact_says(1, "hi", clock))
        await core.advance(8)
        await core.receive(other, contact_says(1, "yo", clock, 103))
        await core.advance(250)
        assert core.messenger.sent == []
        await core.advance(60)
        assert sorted(core.messenger.sent) == [(101, "re: hi"), (103, "re: yo")]


async def test_slow_mode_of_one_chat_stops_no_other(store: Store, clock: FakeClock, ally: Chat) -> None:
    other = Chat(id=103, kind=ChatKind.PRIVATE, title="Boris")
    store.chats.save([other])
    store.chats.set_mode(103, Mode.AUTO)
    async with Core(store, clock) as core:
        core.messenger.faults = [FloodError("Wait.", 300, one_chat=True)]
        await core.receive(ally, contact_says(1, "hi", clock))
        await core.advance(8)
        await core.receive(other, contact_says(1, "yo", clock, 103))
        await core.advance(20)
        assert core.messenger.sent == [(103, "re: yo")]
        await core.advance(300)
        assert core.messenger.sent[1:] == [(101, "re: hi")]


async def test_spam_limit_pauses_everything_and_tells_the_owner(store: Store, clock: FakeClock, ally: Chat) -> None:
    async with Core(store, clock) as core:
        core.messenger.faults = [SpamLimitError("Telegram takes this account for a spammer.")]
        await core.receive(ally, contact_says(1, "hi", clock))
        await core.advance(8)
        await core.receive(ally, contact_says(2, "hello?", clock))
        await core.advance(600)
        assert core.messenger.sent == []
        assert core.messenger.notified == ["All chats are paused for a day. Telegram takes this account for a spammer."]
    assert store.replies.newest()[0].reason == "everything is paused"


async def test_lost_connection_is_tried_again_in_order(store: Store, clock: FakeClock, ally: Chat) -> None:
    async with Core(store, clock, ScriptedGenerator("a|b|c")) as core:
        core.messenger.faults = [OfflineError("gone"), OfflineError("gone")]
        await core.receive(ally, contact_says(1, "hi", clock))
        await core.advance(60)
        assert [text for _, text in core.messenger.sent] == ["a", "b", "c"]


async def test_refused_message_fails_the_reply_with_the_reason(store: Store, clock: FakeClock, ally: Chat) -> None:
    async with Core(store, clock, ScriptedGenerator("a|b")) as core:
        core.messenger.faults = [TelegramError("Telegram refused: you are blocked.")]
        await core.receive(ally, contact_says(1, "hi", clock))
        await core.advance(60)
        assert core.messenger.sent == []
    failed = store.replies.newest()[0]
    assert (failed.state, failed.reason) == (ReplyState.FAILED, "Telegram refused: you are blocked.")


async def test_lost_session_stops_the_daemon_and_keeps_the_bubble(store: Store, clock: FakeClock, ally: Chat) -> None:
    async with Core(store, clock) as core:
        core.messenger.faults = [SessionLostError("Revoked.")]
        await core.receive(ally, contact_says(1, "hi", clock))
        await core.advance(8)
        assert [type(exc) for exc in core.failures] == [SessionLostError]
    assert len(store.replies.pending()) == 1


async def test_pending_bubbles_are_delivered_after_a_restart_with_the_same_random_id(
    store: Store, clock: FakeClock, ally: Chat
) -> None:
    async with Core(store, clock, ScriptedGenerator("one|two"), PACED) as core:
        await core.receive(ally, contact_says(1, "hi", clock))
        await core.advance(8)
    ids = [item.random_id for item in store.replies.pending()]
    assert len(ids) == 2
    async with Core(store, clock, config=PACED) as core:
        await core.advance(60)
        assert [text for _, text in core.messenger.sent] == ["one", "two"]
    assert [item.random_id for item in store.replies.parts(1)] == ids


async def test_bubbles_left_for_too_long_are_not_sent(store: Store, clock: FakeClock, ally: Chat) -> None:
    async with Core(store, clock, ScriptedGenerator("late"), PACED) as core:
        await core.receive(ally, contact_says(1, "hi", clock))
        await core.advance(8)
    clock.advance(5 * 3600)
    async with Core(store, clock) as core:
        await core.advance(60)
        assert core.messenger.acts == []
    assert store.replies.newest()[0].reason == "too late to send"
    assert store.replies.parts(1)[0].state is OutboxState.CANCELLED


async def test_store_that_fails_for_a_while_ends_nothing_and_doubles_nothing(
    store: Store, clock: FakeClock, ally: Chat, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise sqlite3.OperationalError("database or disk is full")

    async with Core(store, clock, ScriptedGenerator("hey")) as core:
        with monkeypatch.context() as full:
            for name in ("mark_sent", "fail", "cancel", "claim"):
                full.setattr(store.replies, name, fail)
            await core.receive(ally, contact_says(1, "hi", clock))
            await core.advance(300)
        await core.advance(60)
        assert core.messenger.sent == [(101, "hey")]
        assert core.failures == []
    assert store.replies.newest()[0].state is ReplyState.SENT
