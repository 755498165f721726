"""`clone chat`: a conversation in the terminal that stores nothing."""

from __future__ import annotations

from pathlib import Path

import pytest
from command_line import Clone
from fakes_reply import ScriptedGenerator

from userbot.cli.chat import open_generator
from userbot.config.settings import Settings, load_settings
from userbot.daemon import wiring
from userbot.domain.errors import ChatNotFoundError, NoAdapterError
from userbot.domain.messages import Chat, Reply, Turn
from userbot.store import Store
from userbot.store.adapters import AdapterShelf, Manifest


@pytest.fixture
def generator(home: Path, monkeypatch: pytest.MonkeyPatch) -> ScriptedGenerator:
    """A generator of scripted replies in place of the model, with an active adapter."""
    shelf = AdapterShelf(load_settings(home).paths.adapters)
    with shelf.write(Manifest(id="a1", base="tiny", created_at="2026-01-05T12:00:00+00:00")) as folder:
        (folder / "adapter_model.safetensors").touch()
    shelf.activate("a1")
    scripted = ScriptedGenerator()

    async def load(settings: Settings, shelf: AdapterShelf) -> ScriptedGenerator:
        return scripted

    monkeypatch.setattr(wiring, "load_generator", load)
    return scripted


def test_lines_are_answered_with_what_was_said_before(clone: Clone, generator: ScriptedGenerator) -> None:
    generator.script = ["hey|you?", Reply(bubbles=())]
    out = clone("chat", answers="hi\n\nand now\n/quit\n")
    assert "clone: hey\nclone: you?\n" in out and "(nothing to say)" in out
    assert generator.prompts[1].turns == (
        Turn(False, ("hi",)), Turn(True, ("hey", "you?")), Turn(False, ("and now",)),
    )  # fmt: skip


def test_conversation_can_start_over_and_ends_with_the_input(clone: Clone, generator: ScriptedGenerator) -> None:
    clone("chat", answers="hi\n/new\nhello\n")
    assert generator.prompts[-1].turns == (Turn(False, ("hello",)),)


def test_contact_of_a_chat_may_be_played(
    clone: Clone, generator: ScriptedGenerator, store: Store, friend: Chat
) -> None:
    store.chats.set_relationship(friend.id, "my sister")
    clone("chat", "--as", "vera", answers="hi\n")
    assert generator.prompts[0].system == "Chat with Vera (my sister)."
    with pytest.raises(ChatNotFoundError):
        clone("chat", "--as", "Boris")
    assert store.messages.count() == 0


def test_bare_base_writes_without_the_adapter(clone: Clone, generator: ScriptedGenerator) -> None:
    clone("chat", "--bare", answers="/quit\n")
    assert generator.adapter_id is None


async def test_without_an_adapter_the_repair_is_named(home: Path) -> None:
    with pytest.raises(NoAdapterError, match="Train one with `clone train`, or chat with the bare base model"):
        await open_generator(load_settings(home))
