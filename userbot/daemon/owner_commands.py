"""The two ways by which the owner's commands reach the daemon: Saved Messages, and commands left in the store."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import timedelta

from userbot.daemon.command_context import CommandContext
from userbot.daemon.commands import answer_command, parse_command, run_command
from userbot.domain.errors import CloneError
from userbot.domain.messages import Message
from userbot.store.commands import Command
from userbot.store.decisions import Decision
from userbot.store.facts import COMMAND_ID

log = logging.getLogger(__name__)

COMMAND_AGE_S = 300.0
"""Older commands are not carried out: an `undo` of an hour ago meant another answer than the last one of now."""

REMEMBERED_FORWARDS = 100


class OwnerCommands:
    """Carries out the owner's commands, each once, and answers them.

    Args:
        context: What commands work on.
        notify_owner: Writes to the owner's Saved Messages.
    """

    def __init__(self, context: CommandContext, *, notify_owner: Callable[[str], Awaitable[None]]) -> None:
        self._context = context
        self._notify_owner = notify_owner
        self._store = context.store
        self._thread = context.thread
        self._forwarded: dict[int, Decision] = {}

    async def give_up_old(self) -> None:
        """Refuse the commands that were left in the store while no daemon ran."""
        left_before = self._store.clock() - timedelta(seconds=COMMAND_AGE_S)
        text = "The daemon was not running; give the command again."
        await self._thread.run(self._store.commands.give_up, left_before, text=text)

    async def run_waiting(self) -> None:
        """Carry out the commands that other processes left in the store, oldest first."""
        for command in await self._thread.run(self._store.commands.waiting):
            await self._run_waiting(command)

    async def handle_saved_message(self, message: Message) -> None:
        """Carry out a new message of Saved Messages if it is a command, and remember forwarded answers."""
        if message.forwarded:
            await self._remember_forwarded(message)
        command = parse_command(message)
        if command is None or not await self._thread.run(self._accept, message):
            return
        quoted = self._forwarded.get(message.reply_to_id or 0)
        await self._notify_owner(await answer_command(*command, replace(self._context, quoted=quoted)))

    async def _run_waiting(self, command: Command) -> None:
        try:
            text, failed = await run_command(command.verb, command.argument, self._context), False
        except CloneError as exc:
            text, failed = str(exc), True
        except Exception as exc:
            # Without an answer it would be tried again each second, and hold up all commands after it.
            log.exception("the command %r failed", command.verb)
            text, failed = f"The daemon failed ({type(exc).__name__}); its log says more.", True
        await self._thread.run(self._store.commands.answer, command.id, text, failed=failed)

    def _accept(self, message: Message) -> bool:
        """Accept each command once, and none that is older than `COMMAND_AGE_S`."""
        age_s = (self._store.clock() - message.sent_at).total_seconds()
        if age_s > COMMAND_AGE_S or message.id <= (self._store.facts.get(COMMAND_ID) or 0):
            return False
        self._store.facts.set(COMMAND_ID, message.id)
        return True

    async def _remember_forwarded(self, message: Message) -> None:
        decision = await self._thread.run(self._store.replies.by_text, message.text)
        if decision is not None:
            self._forwarded[message.id] = decision
            while len(self._forwarded) > REMEMBERED_FORWARDS:
                del self._forwarded[next(iter(self._forwarded))]
