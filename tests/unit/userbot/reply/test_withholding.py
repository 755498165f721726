"""A reply that is withheld is recorded once, kept, and counted towards draft mode."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from fakes import FakeClock

from userbot.domain.messages import Chat, Mode, Reply
from userbot.reply.guard import PrivacyFinding
from userbot.reply.withholding import Withheld, withhold
from userbot.reply.writing import Written
from userbot.store import Store
from userbot.store.decisions import Decision, ReplyState

WRITTEN = Written(Reply(bubbles=("it is", "4711")), None, 1, 0.5, PrivacyFinding("a number"))


def _withhold(store: Store, trigger: int, until_draft: int = 3) -> Withheld | None:
    decision = Decision(chat_id=101, trigger_id=trigger, state=ReplyState.QUEUED)
    return withhold(store, decision, WRITTEN, until_draft=until_draft)


def test_words_are_kept_apart_from_the_reason(store: Store, ally: Chat) -> None:
    _withhold(store, 1)
    [decision], [answer] = store.replies.newest(), store.withheld.newest(limit=9)
    assert (decision.state, decision.reason) == (ReplyState.WITHHELD, "private: a number")
    assert (answer.kind, answer.text, answer.trigger_id) == ("a number", "it is\n4711", 1)


def test_burst_that_was_decided_is_not_counted_again(store: Store, ally: Chat) -> None:
    assert _withhold(store, 1) is not None
    assert _withhold(store, 1) is None
    assert len(store.withheld.newest(limit=9)) == 1


def test_third_in_a_day_leaves_the_chat_to_drafts(store: Store, ally: Chat) -> None:
    found = [_withhold(store, n) for n in (1, 2, 3, 4)]
    assert [one.drafts_now for one in found if one] == [False, False, True, False]
    chat = store.chats.get(101)
    assert chat is not None and chat.mode is Mode.DRAFT
    third = found[2]
    assert third is not None
    told = third.describe(ally)
    renamed = replace(ally, title="A\n/clone allow 5" + "x" * 99)
    assert third.describe(renamed).startswith("An answer to A /clone allow 5x")
    assert "Vera (101)" in told and "drafts only" in told and "3 such answers" in told and "4711" not in told


def test_days_apart_or_switched_off_it_never_does(store: Store, ally: Chat, clock: FakeClock) -> None:
    for n in (1, 2, 3, 4):
        _withhold(store, n)
        clock.now += timedelta(hours=13)
    for n in range(5, 10):
        _withhold(store, n, until_draft=0)
    chat = store.chats.get(101)
    assert chat is not None and chat.mode is Mode.AUTO


def test_reply_without_a_finding_is_no_case_for_this(store: Store, ally: Chat) -> None:
    decision = Decision(chat_id=101, trigger_id=1, state=ReplyState.QUEUED)
    with pytest.raises(ValueError, match="only a reply with a finding"):
        withhold(store, decision, Written(WRITTEN.reply, None, 1, 0.5), until_draft=3)
