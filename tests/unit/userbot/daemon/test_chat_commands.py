"""Commands on chats: modes, pauses, and fetching history."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from daemon_fakes import FakeDaemon
from fakes import FakeClock

from userbot.daemon.command_context import CommandContext
from userbot.daemon.commands import answer_command
from userbot.domain.messages import Chat, ChatKind, Mode
from userbot.reply.situation import read_pause
from userbot.store import Store


async def test_span_beyond_all_calendars_is_a_long_pause(
    context: CommandContext, store: Store, clock: FakeClock
) -> None:
    await answer_command("pause", "999999999999d", context)
    assert read_pause(store) == clock() + timedelta(days=36500)


async def test_everything_is_paused_for_a_span_and_resumed(
    context: CommandContext, daemon: FakeDaemon, store: Store, friend: Chat, clock: FakeClock
) -> None:
    store.chats.set_mode(friend.id, Mode.AUTO)
    assert (await answer_command("pause", "1h30m", context)).startswith("Paused until ")
    assert read_pause(store) == clock.now + timedelta(minutes=90)
    assert daemon.dropped == [friend.id]
    await answer_command("resume", "", context)
    assert read_pause(store) is None
    assert daemon.reviews == 1


async def test_pause_without_a_span_holds_until_resumed(
    context: CommandContext, store: Store, clock: FakeClock
) -> None:
    assert await answer_command("pause", "", context) == "Paused until you resume: nothing is answered."
    paused = read_pause(store)
    assert paused is not None and paused > clock.now + timedelta(days=3650)


async def test_one_chat_is_paused_and_resumed(
    context: CommandContext, store: Store, friend: Chat, clock: FakeClock
) -> None:
    await answer_command("pause", "2h @vera", context)
    chat = store.chats.get(friend.id)
    assert chat is not None and chat.paused_until == clock.now + timedelta(hours=2)
    assert read_pause(store) is None
    await answer_command("resume", "vera", context)
    chat = store.chats.get(friend.id)
    assert chat is not None and chat.paused_until is None


@pytest.mark.parametrize(("verb", "mode"), [("allow", Mode.AUTO), ("draft", Mode.DRAFT), ("off", Mode.OFF)])
async def test_mode_of_a_chat_is_set(
    context: CommandContext, store: Store, friend: Chat, verb: str, mode: Mode
) -> None:
    assert (await answer_command(verb, "@vera", context)).startswith("Vera ")
    chat = store.chats.get(friend.id)
    assert chat is not None and chat.mode is mode


async def test_chat_switched_off_loses_its_pending_answer(
    context: CommandContext, daemon: FakeDaemon, friend: Chat
) -> None:
    await answer_command("off", "@vera", context)
    assert daemon.dropped == [friend.id]


async def test_mistake_is_told_and_not_raised(context: CommandContext, store: Store) -> None:
    store.chats.save([Chat(id=500, kind=ChatKind.BOT, title="Robot")])
    assert (
        await answer_command("allow", "Boris", context)
        == "No chat fits 'Boris'. `clone chats list` shows the chats and their ids."
    )
    assert "only Telegram's private chats and groups" in await answer_command("allow", "Robot", context)
    assert (
        await answer_command("allow", "", context)
        == "Name a chat: its @username, title or id, as in `/clone allow @vera`."
    )


async def test_pull_names_the_chats_and_needs_a_daemon(
    context: CommandContext, daemon: FakeDaemon, friend: Chat
) -> None:
    assert await answer_command("pull", "@vera", context) == "Fetching."
    assert daemon.pulled == [101]
    assert (
        await answer_command("pull", "", context)
        == "Name a chat: its @username, title or id, as in `/clone pull @vera`."
    )
    without = replace(context, daemon=None)
    assert await answer_command("pull", "@vera", without) == "The daemon does not run. Fetch with `clone pull CHAT`."


async def test_who_shows_the_chat_and_changes_nothing(context: CommandContext, store: Store, friend: Chat) -> None:
    assert await answer_command("who", "@vera", context) == "Vera (id 101, @vera) is off."
    assert "Name a chat" in await answer_command("who", "", context)
    assert await answer_command("resolve", "@vera", context) == "101"


async def test_changed_name_is_shown_and_taken_over_only_by_order(
    context: CommandContext, store: Store, friend: Chat
) -> None:
    store.chats.set_mode(friend.id, Mode.AUTO)
    store.chats.save([replace(friend, title="Mama")])
    assert "Prompts call it 'Vera'; `/clone rename 101` takes over" in await answer_command("who", "101", context)
    assert await answer_command("rename", "101", context) == (
        "Prompts of Mama (id 101, @vera) say 'Mama' from the next training on."
    )
    assert await answer_command("who", "101", context) == "Mama (id 101, @vera) is auto."
    assert "Name a chat" in await answer_command("rename", "", context)


async def test_name_is_taken_over_only_if_it_is_the_one_that_was_agreed_to(
    context: CommandContext, store: Store, friend: Chat
) -> None:
    assert "called something else by now" in await answer_command("rename", "101\nVera P.", context)
    assert "say 'Vera'" in await answer_command("rename", "101\nVera", context)
