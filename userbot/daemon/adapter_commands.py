"""Commands on training and adapters."""

from __future__ import annotations

from userbot.daemon.command_context import CommandContext
from userbot.domain.errors import ConfigError
from userbot.trust.stale_adapters import find_stale_adapters
from userbot.trust.stale_adapters import roll_back as go_back

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
    stale = {one.id for one in await context.thread.run(find_stale_adapters, context.store, context.shelf)}
    marks = {one.id: f"{one.base}  stale" if one.id in stale else one.base for one in manifests}
    return "\n".join(f"{'→' if one.id == active_id else '·'} {one.id}  {marks[one.id]}" for one in manifests[-LISTED:])


async def roll_back(_argument: str, context: CommandContext) -> str:
    """Activate the newest adapter before this one that is not stale.

    Raises:
        NoAdapterError: There is no earlier one.
        StaleAdapterError: All of them learned from a chat without a consent that stands.
    """
    manifest = await context.thread.run(go_back, context.store, context.shelf)
    if context.daemon is not None and await context.daemon.activate_adapter() != manifest.id:
        return f"{manifest.id} is active again, but could not be loaded; the daemon's log says why."
    return f"{manifest.id} is active again."
