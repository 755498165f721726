"""Commands on answers: explained, and taken back."""

from __future__ import annotations

from dataclasses import replace

import pytest
from daemon_fakes import FakeDaemon
from fakes import START, bubble

from userbot.daemon.command_context import CommandContext
from userbot.daemon.commands import answer_command
from userbot.domain.messages import Chat, Origin
from userbot.store import Store
from userbot.store.replies import Bubble, Decision, ReplyState


def _answer(store: Store, *texts: str, trigger: int = 1) -> Decision:
    store.messages.add([bubble(trigger, "hi")])
    bubbles = [Bubble(text=text, random_id=trigger * 10 + n, due_at=START) for n, text in enumerate(texts)]
    decision = store.replies.decide(
        Decision(
            chat_id=101,
            trigger_id=trigger,
            state=ReplyState.QUEUED,
            adapter_id="a1",
            context_ids=(1,),
            timings={"generation_s": 1.5, "tries": 2},
        ),
        bubbles,
    )
    assert decision is not None
    for n, item in enumerate(store.replies.pending(101)):
        store.replies.mark_sent(item, bubble(trigger * 100 + n, item.text, origin=Origin.CLONE))
    return decision


async def test_why_tells_how_the_last_answer_came_about(context: CommandContext, store: Store, friend: Chat) -> None:
    assert await answer_command("why", "", context) == "There is no answer yet."
    decision = _answer(store, "hey", "you")
    expected = (
        "Chat: Vera (id 101, @vera, last message 5 Jan 2026 12:00)\n"
        "State: sent\nAnswers message: 1\nModel saw messages: 1\nAdapter: a1\n"
        "Timings: tries 2, generation_s 1.5\nGuard: passed at try 2\nBubbles: 2 of 2 sent"
    )
    text = await answer_command("why", "", context)
    assert sorted(text.splitlines()[:5]) == sorted(expected.splitlines()[:5])
    assert text.splitlines()[6:] == expected.splitlines()[6:]
    _answer(store, "other", trigger=2)
    assert "Answers message: 1" in await answer_command("why", "", replace(context, quoted=decision))
    assert "Answers message: 2" in await answer_command("why", "vera", context)


async def test_undo_deletes_the_last_answer_for_both_sides(
    context: CommandContext, daemon: FakeDaemon, store: Store, friend: Chat
) -> None:
    _answer(store, "hey", "you")
    assert (await answer_command("undo", "", context)).startswith("2 messages deleted in Vera (id 101, @vera")
    assert daemon.deleted == [100, 101]
    assert store.messages.count(Origin.CLONE) == 0
    assert store.replies.newest()[0].state is ReplyState.UNDONE
    assert await answer_command("undo", "", context) == "There is no answer to take back."


async def test_one_message_is_counted_as_one(context: CommandContext, store: Store, friend: Chat) -> None:
    _answer(store, "hey")
    assert (await answer_command("undo", "vera", context)).startswith("1 message deleted in Vera (id 101, @vera")


async def test_undo_needs_the_daemon(context: CommandContext) -> None:
    assert await answer_command("undo", "", replace(context, daemon=None)) == (
        "Only the running daemon can delete messages. Start it with `clone run`."
    )


@pytest.mark.parametrize(
    ("timings", "reason", "verdict"),
    [
        ({}, None, "not asked"),
        ({"tries": 1}, None, "passed at the first try"),
        ({"tries": 3}, None, "passed at try 3"),
        ({"tries": 3}, "not fit to send: empty", "not fit to send: empty"),
        ({"tries": 1}, "private: a name", "withheld, as it held a name; see it: clone held"),
    ],
)
async def test_verdict_of_the_guard_is_told(
    context: CommandContext,
    store: Store,
    friend: Chat,
    timings: dict[str, float],
    reason: str | None,
    verdict: str,
) -> None:
    state = ReplyState.HELD if reason else ReplyState.QUEUED
    if reason and reason.startswith("private"):
        state = ReplyState.WITHHELD
    store.replies.decide(Decision(chat_id=101, trigger_id=1, state=state, reason=reason, timings=timings))
    assert f"Guard: {verdict}" in (await answer_command("why", "", context)).splitlines()
