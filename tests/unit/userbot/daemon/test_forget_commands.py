"""Tests of forgetting by a command of the daemon."""

from __future__ import annotations

from pathlib import Path

import pytest
from daemon_fakes import FakeDaemon
from fakes import bubble

from userbot.daemon.command_context import CommandContext
from userbot.daemon.commands import CONFIRMED, run_command
from userbot.daemon.forget_commands import describe_forgotten
from userbot.domain.errors import ConfigError
from userbot.domain.messages import Chat, ChatKind
from userbot.store import Store
from userbot.trust.forget import Forgotten

NOTHING = Forgotten(
    messages=0, reports=0, exports=0, rewritten=0, dropped=0, learned=(), busy=(), foreign=(), draft=False
)


@pytest.fixture(autouse=True)
def vera(store: Store) -> None:
    store.chats.save([Chat(id=101, kind=ChatKind.PRIVATE, title="Vera")])
    store.messages.add([bubble(1, "words")])


async def test_forgetting_lets_go_of_the_chat_and_names_it_by_id_alone(
    context: CommandContext, daemon: FakeDaemon, store: Store, tmp_path: Path
) -> None:
    text = await run_command("forget", "Vera", context)
    assert daemon.released == [101] and store.chats.get(101) is None
    assert "Chat 101 is forgotten: 1 message deleted" in text and "Vera" not in text
    assert (tmp_path / "forgotten.json").is_file()


async def test_saved_messages_asks_first_and_shows_which_chat(context: CommandContext) -> None:
    order = await CONFIRMED["forget"]("Vera", context)
    assert order.argument == "101" and "delete for good everything" in order.effect and "id 101" in order.effect


async def test_a_chat_must_be_named(context: CommandContext) -> None:
    with pytest.raises(ConfigError, match="forget @vera"):
        await run_command("forget", "", context)


async def test_release_and_clear_drafts_reach_the_daemon(context: CommandContext, daemon: FakeDaemon) -> None:
    assert await run_command("release", "101", context) == "101"
    await run_command("clear drafts", "", context)
    assert (daemon.released, daemon.cleared) == ([101], 1)


def test_what_is_left_to_do_is_said() -> None:
    from dataclasses import replace

    done = replace(NOTHING, learned=("a1",), busy=("r1",), foreign=("/x.jsonl",), draft=True, rewritten=2, dropped=1)
    text = describe_forgotten(5, done)
    for part in ("a1", "adapters rm", "training", "/x.jsonl", "daemon clears it", "2 backups rewritten", "--undo 5"):
        assert part in text
