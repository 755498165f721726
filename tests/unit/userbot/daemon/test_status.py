"""The status tells the daemon, its chats, pauses and the last refusal."""

from __future__ import annotations

from datetime import timedelta

from fakes import FakeClock

from userbot.daemon.command_context import CommandContext
from userbot.daemon.commands import answer_command
from userbot.daemon.heartbeat import write_state
from userbot.daemon.status import read_status
from userbot.domain.messages import Chat, Mode
from userbot.reply.situation import write_pause
from userbot.store import Store
from userbot.store.adapters import AdapterShelf, Manifest
from userbot.store.replies import Decision, ReplyState


def test_home_in_which_nothing_has_happened_yet(store: Store, shelf: AdapterShelf) -> None:
    assert read_status(store, shelf).to_text().splitlines() == [
        "Daemon: not running",
        "Adapter: none",
        "Replies in 24 h: 0, bubbles waiting: 0",
        "No chat is allowed, so nobody is answered",
    ]


def test_chats_pauses_and_the_last_refusal_are_told(
    store: Store, shelf: AdapterShelf, friend: Chat, clock: FakeClock
) -> None:
    store.chats.set_mode(friend.id, Mode.AUTO)
    store.chats.pause(friend.id, clock.now + timedelta(hours=1))
    write_pause(store, clock.now + timedelta(days=36_500))
    write_state(store, "connected", since=clock.now)
    store.replies.decide(Decision(chat_id=101, trigger_id=1, state=ReplyState.REFUSED, reason="older than 1 s"))
    text = read_status(store, shelf).to_text()
    assert text.startswith("Daemon: connected since ")
    assert "Everything is paused until you resume" in text
    assert "· Vera: auto, paused until " in text
    assert "Last in chat 101: refused, older than 1 s" in text


def test_pause_that_is_over_is_not_told(store: Store, shelf: AdapterShelf, friend: Chat, clock: FakeClock) -> None:
    store.chats.set_mode(friend.id, Mode.DRAFT)
    store.chats.pause(friend.id, clock.now)
    write_pause(store, clock.now)
    text = read_status(store, shelf).to_text()
    assert "paused" not in text and "· Vera: draft" in text


def test_active_adapter_is_named_and_a_damaged_pointer_hides_nothing_else(store: Store, shelf: AdapterShelf) -> None:
    with shelf.write(Manifest(id="a1", base="tiny", created_at="2026-01-05T12:00:00+00:00")) as folder:
        (folder / "adapter_model.safetensors").touch()
    shelf.activate("a1")
    assert "Adapter: a1" in read_status(store, shelf).to_text()
    (shelf.folder / "current.json").write_text("{")
    assert "Adapter: none" in read_status(store, shelf).to_text()


async def test_command_status_tells_the_same(context: CommandContext) -> None:
    assert await answer_command("status", "", context) == read_status(context.store, context.shelf).to_text()
