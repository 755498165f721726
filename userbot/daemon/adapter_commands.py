"""Commands on training and adapters."""

from __future__ import annotations

from userbot.daemon.command_context import CommandContext
from userbot.domain.errors import ConfigError

LISTED = 10
"""Newest adapters that the list shows."""


async def retrain(argument: str, context: CommandContext) -> str:
    """Start a training, or stop the one in progress: `stop`.

    Raises:
        ConfigError: No daemon runs.
    """
    if context.daemon is None:
        repair = "so there is no training of it to stop" if argument == "stop" else "so train with `clone train`"
        raise ConfigError(f"The daemon does not run, {repair}.")
    return await (context.daemon.cancel_training() if argument == "stop" else context.daemon.retrain())


async def list_adapters(_argument: str, context: CommandContext) -> str:
    """List the newest adapters with their bases, oldest first; an arrow marks the active one."""
    active = await context.thread.run(context.shelf.active)
    manifests = await context.thread.run(context.shelf.all)
    if not manifests:
        return "There is no adapter yet. Train one: `clone train`."
    active_id = active.id if active else None
    return "\n".join(f"{'→' if one.id == active_id else '·'} {one.id}  {one.base}" for one in manifests[-LISTED:])


async def roll_back(_argument: str, context: CommandContext) -> str:
    """Activate the adapter before this one.

    Raises:
        NoAdapterError: There is no earlier one.
    """
    manifest = await context.thread.run(context.shelf.roll_back)
    if context.daemon is not None and await context.daemon.activate_adapter() != manifest.id:
        return f"{manifest.id} is active again, but could not be loaded; the daemon's log says why."
    return f"{manifest.id} is active again."
