"""The two ways by which the owner's commands reach the daemon: Saved Messages, and commands left in the store."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import timedelta

from userbot.daemon.command_context import CommandContext
from userbot.daemon.commands import CONFIRMED, answer_command, parse_command, run_command
from userbot.daemon.confirmation import Confirmations, read_answer
from userbot.domain.errors import CloneError
from userbot.domain.messages import Chat, Message
from userbot.store.commands import Command
from userbot.store.decisions import Decision
from userbot.store.facts import COMMAND_ID, QUESTION_ID

log = logging.getLogger(__name__)

COMMAND_AGE_S = 300.0
"""Older commands are not carried out: an `undo` of an hour ago meant another answer than the last one of now."""

REMEMBERED_FORWARDS = 100

ANSWERING = frozenset({"why", "undo", "yes", "no"})
"""Commands that may stand in an answer to another message; what else is written below somebody's words is no order."""


class OwnerCommands:
    """Carries out the owner's commands, each once, and answers them.

    Args:
        context: What commands work on.
        notify_owner: Writes to the owner's Saved Messages; may return the id of the message.
    """

    def __init__(self, context: CommandContext, *, notify_owner: Callable[[str], Awaitable[int | None]]) -> None:
        self._context = context
        self._notify_owner = notify_owner
        self._store = context.store
        self._thread = context.thread
        self._forwarded: dict[int, Decision] = {}
        self._confirmations = Confirmations(context.store.clock)

    async def give_up_old(self) -> None:
        """Refuse the commands that were left in the store while no daemon ran."""
        left_before = self._store.clock() - timedelta(seconds=COMMAND_AGE_S)
        text = "The daemon was not running; give the command again."
        await self._thread.run(self._store.commands.give_up, left_before, text=text)

    async def run_waiting(self) -> None:
        """Carry out the commands that other processes left in the store, oldest first."""
        for command in await self._thread.run(self._store.commands.waiting):
            await self._run_waiting(command)

    async def handle_saved_message(self, message: Message, *, typed: bool = True) -> None:
        """Carry out a new message of Saved Messages if it is a command, and remember forwarded answers.

        Args:
            message: As it arrived.
            typed: The owner typed it just now, as plain text; see `userbot.telegram.typed`.
        """
        if message.forwarded:
            await self._remember_forwarded(message)
        if not typed:
            return
        command = parse_command(message) or await self._read_answer(message)
        if command is None or not await self._thread.run(self._accept, message):
            return
        verb, argument = command
        if message.reply_to_id is not None and verb not in ANSWERING:
            text = f"`{verb}` is not done in answer to another message. Send it as a message of its own."
            await self._notify_owner(text)
            return
        context = replace(self._context, quoted=self._forwarded.get(message.reply_to_id or 0))
        if verb in CONFIRMED:
            await self._ask(verb, argument, context)
        elif verb in ("yes", "no"):
            await self._notify_owner(await self._settle(verb, message, context))
        else:
            await self._notify_owner(await answer_command(verb, argument, context))

    async def _read_answer(self, message: Message) -> tuple[str, str] | None:
        """Read a plain yes or no in answer to the newest question, which an earlier daemon may have asked."""
        verb = read_answer(message.text)
        if verb is None or message.reply_to_id is None:
            return None
        asked = await self._thread.run(self._store.facts.get, QUESTION_ID)
        return (verb, "") if message.reply_to_id == asked else None

    async def _ask(self, verb: str, argument: str, context: CommandContext) -> None:
        try:
            order = await CONFIRMED[verb](argument, context)
        except CloneError as exc:
            await self._notify_owner(str(exc))
            return
        question_id = await self._notify_owner(self._confirmations.ask(order))
        self._confirmations.note_question(question_id)
        await self._thread.run(self._store.facts.set, QUESTION_ID, question_id)

    async def _settle(self, verb: str, message: Message, context: CommandContext) -> str:
        if verb == "no":
            return self._confirmations.drop()
        try:
            order = self._confirmations.take(reply_to_id=message.reply_to_id)
        except CloneError as exc:
            return str(exc)
        if order.chat is not None and await self._is_renamed(order.chat):
            return f"Not done: {order.effect}. The chat is called something else by now; give the order again."
        return await answer_command(order.verb, order.argument, context)

    async def _is_renamed(self, shown: Chat) -> bool:
        now = await self._thread.run(self._store.chats.get, shown.id)
        return now is None or now.title != shown.title

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
