"""The owner's commands are carried out once, from Saved Messages and from the store, and always answered."""

from __future__ import annotations

from dataclasses import replace

import pytest
from daemon_fakes import FakeDaemon
from fakes import START, FakeClock, bubble

from userbot.daemon.command_context import CommandContext
from userbot.daemon.owner_commands import COMMAND_AGE_S, REMEMBERED_FORWARDS, OwnerCommands
from userbot.domain.messages import Chat, Message, Origin
from userbot.store import Store
from userbot.store.commands import Answer
from userbot.store.replies import Bubble, Decision, ReplyState


class Inbox(list[str]):
    """Saved Messages of the owner: what the daemon wrote there."""

    async def add(self, text: str) -> None:
        self.append(text)


@pytest.fixture
def inbox() -> Inbox:
    return Inbox()


@pytest.fixture
def commands(context: CommandContext, inbox: Inbox) -> OwnerCommands:
    return OwnerCommands(context, notify_owner=inbox.add)


def _saved(message_id: int, text: str, *, reply_to: int | None = None, forwarded: bool = False) -> Message:
    return replace(bubble(message_id, text, origin=Origin.OWNER), reply_to_id=reply_to, forwarded=forwarded)


async def test_command_is_answered_in_saved_messages_and_carried_out_once(
    commands: OwnerCommands, inbox: Inbox
) -> None:
    for _ in range(2):
        await commands.handle_saved_message(_saved(5, "/clone retrain"))
    await commands.handle_saved_message(_saved(4, "/clone retrain"))
    assert inbox == ["Training begins."]


async def test_note_to_oneself_is_no_command(commands: OwnerCommands, inbox: Inbox) -> None:
    await commands.handle_saved_message(_saved(5, "buy milk"))
    await commands.handle_saved_message(_saved(6, "/clone retrain", forwarded=True))
    assert inbox == []


async def test_command_of_an_absence_is_too_old(commands: OwnerCommands, inbox: Inbox, clock: FakeClock) -> None:
    clock.advance(COMMAND_AGE_S + 1)
    await commands.handle_saved_message(_saved(5, "/clone retrain"))
    assert inbox == []


async def test_command_that_answers_a_forwarded_reply_is_about_that_reply(
    commands: OwnerCommands, inbox: Inbox, store: Store, friend: Chat
) -> None:
    for trigger, text in ((1, "first"), (2, "second")):
        store.replies.decide(
            Decision(chat_id=101, trigger_id=trigger, state=ReplyState.QUEUED),
            [Bubble(text=text, random_id=trigger, due_at=START)],
        )
    await commands.handle_saved_message(_saved(5, "first", forwarded=True))
    await commands.handle_saved_message(_saved(6, "/clone why", reply_to=5))
    await commands.handle_saved_message(_saved(7, "/clone why"))
    assert ["Answers message: 1" in inbox[0], "Answers message: 2" in inbox[1]] == [True, True]


async def test_only_the_newest_forwarded_replies_are_remembered(
    commands: OwnerCommands, inbox: Inbox, store: Store, friend: Chat
) -> None:
    for trigger in (1, 2):
        store.replies.decide(
            Decision(chat_id=101, trigger_id=trigger, state=ReplyState.QUEUED),
            [Bubble(text=f"text {trigger}", random_id=trigger, due_at=START)],
        )
    for number in range(REMEMBERED_FORWARDS + 1):
        await commands.handle_saved_message(_saved(1000 + number, "text 1", forwarded=True))
    await commands.handle_saved_message(_saved(2000, "/clone why", reply_to=1000))
    await commands.handle_saved_message(_saved(2001, "/clone why", reply_to=1001))
    assert ["Answers message: 2" in inbox[0], "Answers message: 1" in inbox[1]] == [True, True]


async def test_commands_left_in_the_store_are_carried_out_in_order(commands: OwnerCommands, store: Store) -> None:
    ids = [store.commands.leave(verb, "") for verb in ("retrain", "dance", "help")]
    await commands.run_waiting()
    answers = [store.commands.read_answer(number) for number in ids]
    assert answers[0] == Answer("Training begins.", failed=False)
    assert [answer is not None and answer.failed for answer in answers] == [False, True, False]
    assert store.commands.waiting() == []


async def test_command_that_breaks_is_answered_and_holds_up_no_other(
    commands: OwnerCommands, store: Store, daemon: FakeDaemon, caplog: pytest.LogCaptureFixture
) -> None:
    daemon.failure = ZeroDivisionError()
    broken, sound = (store.commands.leave(verb, "") for verb in ("retrain", "help"))
    await commands.run_waiting()
    answer, other = store.commands.read_answer(broken), store.commands.read_answer(sound)
    assert answer == Answer("The daemon failed (ZeroDivisionError); its log says more.", failed=True)
    assert other is not None and not other.failed
    assert "the command 'retrain' failed" in caplog.messages


async def test_command_left_for_an_earlier_daemon_is_not_carried_out(
    commands: OwnerCommands, store: Store, clock: FakeClock
) -> None:
    old = store.commands.leave("retrain", "")
    clock.advance(COMMAND_AGE_S + 1)
    fresh = store.commands.leave("retrain", "")
    await commands.give_up_old()
    assert store.commands.read_answer(old) == Answer("The daemon was not running; give the command again.", failed=True)
    assert [command.id for command in store.commands.waiting()] == [fresh]
