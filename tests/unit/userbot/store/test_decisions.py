"""States of decisions and bubbles are stored by these words, which older databases hold."""

from __future__ import annotations

import pytest

from userbot.store.decisions import Decision, OutboxState, ReplyState


def test_states_keep_the_words_that_databases_hold() -> None:
    assert {state.value for state in ReplyState} == {
        "queued", "sent", "drafted", "held", "withheld", "refused", "cancelled", "undone", "failed",
    }  # fmt: skip
    assert {state.value for state in OutboxState} == {"pending", "sent", "cancelled", "failed"}


def test_decision_can_not_be_changed() -> None:
    decision = Decision(chat_id=101, trigger_id=1, state=ReplyState.HELD)
    with pytest.raises(AttributeError):
        decision.state = ReplyState.SENT  # type: ignore[misc]  # what is refused here
