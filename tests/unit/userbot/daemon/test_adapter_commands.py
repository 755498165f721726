"""Commands on training and adapters."""

from __future__ import annotations

from dataclasses import replace

from daemon_fakes import FakeDaemon

from userbot.daemon.command_context import CommandContext
from userbot.daemon.commands import answer_command
from userbot.store.adapters import Manifest


async def test_training_needs_the_daemon(context: CommandContext) -> None:
    alone = replace(context, daemon=None)
    assert await answer_command("retrain", "", alone) == "The daemon does not run, so train with `clone train`."
    stopped = await answer_command("retrain", "stop", alone)
    assert stopped == "The daemon does not run, so there is no training of it to stop."
    assert await answer_command("retrain", "", context) == "Training begins."
    assert await answer_command("retrain", "stop", context) == "The training was cancelled."


async def test_adapters_are_listed_and_rolled_back(context: CommandContext, daemon: FakeDaemon) -> None:
    assert await answer_command("adapters", "", context) == "There is no adapter yet. Train one: `clone train`."
    for name in ("a1", "a2"):
        with context.shelf.write(Manifest(id=name, base="tiny", created_at="2026-01-05T12:00:00+00:00")) as folder:
            (folder / "adapter_model.safetensors").write_bytes(b"x")
        context.shelf.activate(name)
    assert await answer_command("adapters", "", context) == "· a1  tiny\n→ a2  tiny"
    daemon.loaded = "a1"
    assert await answer_command("rollback", "", context) == "a1 is active again."
    assert "There is no earlier adapter" in await answer_command("rollback", "", context)


async def test_rolled_back_adapter_that_can_not_be_loaded_is_told(context: CommandContext, daemon: FakeDaemon) -> None:
    for name in ("a1", "a2"):
        with context.shelf.write(Manifest(id=name, base="tiny", created_at="2026-01-05T12:00:00+00:00")) as folder:
            (folder / "adapter_model.safetensors").touch()
        context.shelf.activate(name)
    daemon.loaded = "a2"
    assert await answer_command("rollback", "", context) == (
        "a1 is active again, but could not be loaded; the daemon's log says why."
    )
