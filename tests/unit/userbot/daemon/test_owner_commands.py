"""The owner's commands are carried out once, from Saved Messages and from the store, and always answered."""

from __future__ import annotations

from dataclasses import replace

import pytest
from daemon_fakes import FakeDaemon
from fakes import START, FakeClock, bubble

from userbot.daemon.command_context import CommandContext
from userbot.daemon.owner_commands import COMMAND_AGE_S, REMEMBERED_FORWARDS, OwnerCommands
from userbot.domain.messages import Chat, ChatKind, Message, Mode, Origin
from userbot.domain.text import REPORT_WORD
from userbot.store import Store
from userbot.store.commands import Answer
from userbot.store.replies import Bubble, Decision, ReplyState

REPORTS = 5000
"""The daemon's own messages have ids from here up."""


class Inbox(list[str]):
    """Saved Messages of the owner: what the daemon wrote there."""

    async def add(self, text: str) -> int:
        self.append(text)
        return REPORTS + len(self)


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


async def test_order_to_answer_a_chat_waits_for_a_yes(
    commands: OwnerCommands, inbox: Inbox, store: Store, friend: Chat
) -> None:
    await commands.handle_saved_message(_saved(5, "/clone allow @vera"))
    assert inbox[0].startswith("To be done: answer Vera (id 101, @vera) automatically.")
    assert store.chats.allowed() == []
    await commands.handle_saved_message(_saved(6, "yes"))  # a note to oneself
    assert store.chats.allowed() == []
    await commands.handle_saved_message(_saved(7, "/clone yes"))
    assert [chat.id for chat in store.chats.allowed()] == [101]
    await commands.handle_saved_message(_saved(8, "/clone yes"))
    assert inbox[1:] == ["Vera (id 101, @vera) is answered from now on.", inbox[2]]
    assert inbox[2].startswith("No order waits for a yes")


async def test_yes_in_answer_to_the_question_means_the_chat_that_it_named(
    commands: OwnerCommands, inbox: Inbox, store: Store, daemon: FakeDaemon, friend: Chat
) -> None:
    await commands.handle_saved_message(_saved(5, "/clone draft @vera"))
    store.chats.save([Chat(id=999, kind=ChatKind.PRIVATE, title="Thief", username="vera", access_hash=9)])
    await commands.handle_saved_message(_saved(6, "Да", reply_to=REPORTS + 1))
    assert [(chat.id, chat.mode) for chat in store.chats.allowed()] == [(101, Mode.DRAFT)]


async def test_no_drops_the_order(commands: OwnerCommands, inbox: Inbox, store: Store, friend: Chat) -> None:
    await commands.handle_saved_message(_saved(5, "/clone allow 101"))
    await commands.handle_saved_message(_saved(6, "no", reply_to=REPORTS + 1))
    await commands.handle_saved_message(_saved(7, "/clone yes"))
    assert inbox[1] == "Not done: answer Vera (id 101, @vera) automatically."
    assert store.chats.allowed() == []


async def test_order_that_can_not_be_prepared_is_answered_and_waits_for_nothing(
    commands: OwnerCommands, inbox: Inbox, friend: Chat
) -> None:
    await commands.handle_saved_message(_saved(5, "/clone allow Boris"))
    await commands.handle_saved_message(_saved(6, "/clone yes"))
    assert inbox[0].startswith("No chat fits 'Boris'") and inbox[1].startswith("No order waits")


async def test_restarted_daemon_has_forgotten_the_order(
    context: CommandContext, commands: OwnerCommands, inbox: Inbox, store: Store, friend: Chat
) -> None:
    await commands.handle_saved_message(_saved(5, "/clone allow 101"))
    again = OwnerCommands(context, notify_owner=inbox.add)
    await again.handle_saved_message(_saved(6, "yes", reply_to=REPORTS + 1))
    await again.handle_saved_message(_saved(7, "/clone yes"))
    assert len(inbox) == 3 and all("forgotten when the daemon restarts" in answer for answer in inbox[1:])
    assert store.chats.allowed() == []


async def test_words_below_somebodys_message_are_no_order(
    commands: OwnerCommands, inbox: Inbox, store: Store, friend: Chat
) -> None:
    store.chats.set_mode(101, Mode.AUTO)
    await commands.handle_saved_message(_saved(5, "/clone off 101", reply_to=3))
    assert inbox == ["`off` is not done in answer to another message. Send it as a message of its own."]
    assert len(store.chats.allowed()) == 1


@pytest.mark.parametrize("values", [{"media": "[photo]"}, {"edited_at": START}, {"via_bot": True}, {"forwarded": True}])
async def test_only_plain_new_words_are_commands(
    commands: OwnerCommands, inbox: Inbox, values: dict[str, object]
) -> None:
    await commands.handle_saved_message(replace(_saved(5, "/clone retrain"), **values))  # type: ignore[arg-type]  # a test's shorthand
    await commands.handle_saved_message(_saved(6, "/clone retrain"), typed=False)
    assert inbox == []


async def test_report_of_the_daemon_is_no_command(commands: OwnerCommands, inbox: Inbox) -> None:
    await commands.handle_saved_message(_saved(5, f"{REPORT_WORD} /clone retrain"))
    assert inbox == []


@pytest.mark.parametrize("verb", ["allow", "draft", "rename"])
async def test_chat_that_is_called_otherwise_when_the_yes_comes_is_left_as_it_is(
    commands: OwnerCommands, inbox: Inbox, store: Store, friend: Chat, verb: str
) -> None:
    await commands.handle_saved_message(_saved(5, f"/clone {verb} 101"))
    store.chats.save([replace(friend, title="Mama")])
    await commands.handle_saved_message(_saved(6, "/clone yes"))
    assert "called something else by now" in inbox[1]
    chat = store.chats.get(101)
    assert chat is not None and (chat.mode, chat.prompt_names) == (Mode.OFF, ())
