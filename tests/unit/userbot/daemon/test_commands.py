"""The owner's commands, each with its effect and its answer."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from fakes import START, FakeClock, bubble

from userbot.daemon.commands import HELP, CommandContext, answer, parse_command
from userbot.daemon.heartbeat import is_running, read_state, write_state
from userbot.domain.messages import Chat, ChatKind, Mode, Origin
from userbot.reply.situation import read_pause
from userbot.store import Store
from userbot.store.adapters import AdapterShelf, Manifest
from userbot.store.facts import DAEMON
from userbot.store.replies import Bubble, Decision, ReplyState
from userbot.store.thread import StoreThread


class FakeDaemon:
    """Remembers what commands ask of it."""

    def __init__(self) -> None:
        self.reviews = 0
        self.dropped: list[int] = []
        self.deleted: list[int] = []
        self.dialogs: dict[str, Chat] = {}
        self.loaded: str | None = None
        self.pulled: list[int] = []

    async def review(self) -> None:
        self.reviews += 1

    async def drop(self, chat_id: int, *, reason: str) -> None:
        self.dropped.append(chat_id)

    async def delete(self, chat: Chat, message_ids: list[int]) -> None:
        self.deleted += message_ids

    async def find_dialog(self, text: str) -> Chat | None:
        return self.dialogs.get(text)

    async def retrain(self) -> str:
        return "Training begins."

    async def cancel_training(self) -> str:
        return "The training was cancelled."

    async def pull(self, chats: Sequence[Chat]) -> str:
        self.pulled += [chat.id for chat in chats]
        return "Fetching."

    async def activate_adapter(self) -> str | None:
        return self.loaded


@pytest.fixture
async def context(store: Store, tmp_path: Path) -> AsyncIterator[CommandContext]:
    thread = StoreThread()
    yield CommandContext(store=store, thread=thread, shelf=AdapterShelf(tmp_path / "adapters"), daemon=FakeDaemon())
    thread.close()


@pytest.fixture
def daemon(context: CommandContext) -> FakeDaemon:
    assert isinstance(context.daemon, FakeDaemon)
    return context.daemon


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


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("/clone pause 2h", ("pause", "2h")),
        ("/CLONE  Allow  @vera b", ("allow", "@vera b")),
        ("/clone", ("help", "")),
        ("/cloned pause", None),
        ("please /clone pause", None),
        ("", None),
    ],
)
def test_command_is_recognised_by_its_first_word(text: str, expected: tuple[str, str] | None) -> None:
    assert parse_command(bubble(1, text, origin=Origin.OWNER)) == expected


def test_words_of_others_are_no_command() -> None:
    message = bubble(1, "/clone allow @somebody", origin=Origin.OWNER)
    assert parse_command(message) == ("allow", "@somebody")
    assert parse_command(replace(message, forwarded=True)) is None
    assert parse_command(replace(message, via_bot=True)) is None


async def test_span_beyond_all_calendars_is_a_long_pause(
    context: CommandContext, store: Store, clock: FakeClock
) -> None:
    await answer("pause", "999999999999d", context)
    assert read_pause(store) == clock() + timedelta(days=36500)


async def test_unknown_verb_gets_the_list(context: CommandContext) -> None:
    assert await answer("dance", "", context) == f"There is no command 'dance'.\n\n{HELP}"
    assert await answer("help", "", context) == HELP


async def test_everything_is_paused_for_a_span_and_resumed(
    context: CommandContext, daemon: FakeDaemon, store: Store, friend: Chat, clock: FakeClock
) -> None:
    store.chats.set_mode(friend.id, Mode.AUTO)
    assert (await answer("pause", "1h30m", context)).startswith("Paused until ")
    assert read_pause(store) == clock.now + timedelta(minutes=90)
    assert daemon.dropped == [friend.id]
    await answer("resume", "", context)
    assert read_pause(store) is None
    assert daemon.reviews == 1


async def test_pause_without_a_span_holds_until_resumed(
    context: CommandContext, store: Store, clock: FakeClock
) -> None:
    assert await answer("pause", "", context) == "Paused until you resume: nothing is answered."
    paused = read_pause(store)
    assert paused is not None and paused > clock.now + timedelta(days=3650)


async def test_one_chat_is_paused_and_resumed(
    context: CommandContext, store: Store, friend: Chat, clock: FakeClock
) -> None:
    await answer("pause", "2h @vera", context)
    chat = store.chats.get(friend.id)
    assert chat is not None and chat.paused_until == clock.now + timedelta(hours=2)
    assert read_pause(store) is None
    await answer("resume", "vera", context)
    chat = store.chats.get(friend.id)
    assert chat is not None and chat.paused_until is None


@pytest.mark.parametrize(("verb", "mode"), [("allow", Mode.AUTO), ("draft", Mode.DRAFT), ("off", Mode.OFF)])
async def test_mode_of_a_chat_is_set(
    context: CommandContext, store: Store, friend: Chat, verb: str, mode: Mode
) -> None:
    assert (await answer(verb, "@vera", context)).startswith("Vera ")
    chat = store.chats.get(friend.id)
    assert chat is not None and chat.mode is mode


async def test_chat_switched_off_loses_its_pending_answer(
    context: CommandContext, daemon: FakeDaemon, friend: Chat
) -> None:
    await answer("off", "@vera", context)
    assert daemon.dropped == [friend.id]


async def test_without_a_daemon_pending_answers_are_cancelled_in_the_store(
    context: CommandContext, store: Store, friend: Chat
) -> None:
    store.replies.decide(
        Decision(chat_id=101, trigger_id=1, state=ReplyState.QUEUED), [Bubble(text="hey", random_id=1, due_at=START)]
    )
    await answer("off", "@vera", replace(context, daemon=None))
    assert store.replies.pending() == []


async def test_mistake_is_told_and_not_raised(context: CommandContext, store: Store) -> None:
    store.chats.save([Chat(id=500, kind=ChatKind.BOT, title="Robot")])
    assert (
        await answer("allow", "Boris", context)
        == "No chat fits 'Boris'. `clone chats list` shows the chats and their ids."
    )
    assert "only Telegram's private chats and groups" in await answer("allow", "Robot", context)
    assert await answer("allow", "", context) == "Name a chat: its @username, title or id, as in `/clone allow @vera`."


async def test_chat_unknown_to_the_store_is_looked_up_by_the_daemon(
    context: CommandContext, daemon: FakeDaemon, store: Store
) -> None:
    boris = Chat(id=303, kind=ChatKind.PRIVATE, title="Boris", username="boris")
    store.chats.save([boris])
    daemon.dialogs["@boria"] = boris
    assert await answer("allow", "@boria", context) == "Boris is answered from now on."


async def test_why_tells_how_the_last_answer_came_about(context: CommandContext, store: Store, friend: Chat) -> None:
    assert await answer("why", "", context) == "There is no answer yet."
    decision = _answer(store, "hey", "you")
    expected = (
        "Chat: Vera\nState: sent\nAnswers message: 1\nModel saw messages: 1\nAdapter: a1\n"
        "Timings: tries 2, generation_s 1.5\nGuard: passed at try 2\nBubbles: 2 of 2 sent"
    )
    told = await answer("why", "", context)
    assert sorted(told.splitlines()[:5]) == sorted(expected.splitlines()[:5])
    assert told.splitlines()[6:] == expected.splitlines()[6:]
    _answer(store, "other", trigger=2)
    assert "Answers message: 1" in await answer("why", "", replace(context, quoted=decision))
    assert "Answers message: 2" in await answer("why", "vera", context)


async def test_undo_deletes_the_last_answer_for_both_sides(
    context: CommandContext, daemon: FakeDaemon, store: Store, friend: Chat
) -> None:
    _answer(store, "hey", "you")
    assert await answer("undo", "", context) == "2 messages deleted in Vera."
    assert daemon.deleted == [100, 101]
    assert store.messages.count(Origin.CLONE) == 0
    assert store.replies.newest()[0].state is ReplyState.UNDONE
    assert await answer("undo", "", context) == "There is no answer to take back."


async def test_what_needs_the_daemon_says_so_without_it(context: CommandContext) -> None:
    alone = replace(context, daemon=None)
    assert await answer("undo", "", alone) == (
        "Only the running daemon can delete messages. Start it with `clone run`."
    )
    assert await answer("retrain", "", alone) == "The daemon does not run. Train with `clone train`."
    assert await answer("retrain", "", context) == "Training begins."
    assert await answer("retrain", "stop", context) == "The training was cancelled."


async def test_adapters_are_listed_and_rolled_back(context: CommandContext, daemon: FakeDaemon) -> None:
    assert await answer("adapters", "", context) == "There is no adapter yet. Train one: `clone train`."
    for name in ("a1", "a2"):
        with context.shelf.write(Manifest(id=name, base="tiny", created_at="2026-01-05T12:00:00+00:00")) as folder:
            (folder / "adapter_model.safetensors").write_bytes(b"x")
        context.shelf.activate(name)
    assert await answer("adapters", "", context) == "· a1  tiny\n→ a2  tiny"
    daemon.loaded = "a1"
    assert await answer("rollback", "", context) == "Back to adapter a1."
    assert "There is no earlier adapter" in await answer("rollback", "", context)


class TestStatus:
    async def test_status_tells_chats_pauses_and_the_last_refusal(
        self, context: CommandContext, store: Store, friend: Chat, clock: FakeClock
    ) -> None:
        told = await answer("status", "", context)
        assert told.startswith("Daemon: not running")
        assert "nobody is answered" in told
        store.chats.set_mode(friend.id, Mode.AUTO)
        store.chats.pause(friend.id, clock.now + timedelta(hours=1))
        write_state(store, "connected", since=clock.now)
        store.replies.decide(Decision(chat_id=101, trigger_id=1, state=ReplyState.REFUSED, reason="older than 1 s"))
        told = await answer("status", "", context)
        assert told.startswith("Daemon: connected since ")
        assert "· Vera: auto, paused until " in told
        assert "Last in chat 101: refused, older than 1 s" in told

    def test_daemon_without_a_sign_of_life_does_not_run(self, store: Store, clock: FakeClock) -> None:
        write_state(store, "connected", since=clock.now)
        assert is_running(store)
        clock.advance(300)
        state = read_state(store)
        assert state is not None and state.state == "not running"

    def test_daemon_whose_process_is_gone_does_not_run(self, store: Store, clock: FakeClock) -> None:
        write_state(store, "connected", since=clock.now)
        written = store.facts.get(DAEMON)
        assert written is not None
        store.facts.set(DAEMON, replace(written, pid=2**22 + 1))
        assert not is_running(store)

    def test_final_state_is_kept(self, store: Store, clock: FakeClock) -> None:
        write_state(store, "session lost", since=clock.now)
        clock.advance(3000)
        state = read_state(store)
        assert state is not None and state.state == "session lost"
        assert not is_running(store)


async def test_pull_names_the_chats_and_needs_a_daemon(
    context: CommandContext, daemon: FakeDaemon, friend: Chat
) -> None:
    assert await answer("pull", "@vera", context) == "Fetching."
    assert daemon.pulled == [101]
    assert await answer("pull", "", context) == "Name a chat: its @username, title or id, as in `/clone pull @vera`."
    without = replace(context, daemon=None)
    assert await answer("pull", "@vera", without) == "The daemon does not run. Fetch with `clone pull CHAT`."
