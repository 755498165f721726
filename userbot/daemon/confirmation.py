"""Orders in Saved Messages that wait for the owner's yes: one at a time, for a few minutes, in memory only.

Whoever can make the owner's app send a text once (a prepared link, a stolen glance at an open laptop) could otherwise
let the clone answer them. The question names the chat by its id, and the yes means that one order: it can't be given in
advance, not twice, and not for another order that came in between.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from userbot.daemon.command_context import PREFIX, CommandContext
from userbot.domain.errors import ConfigError
from userbot.domain.messages import Chat

VALID_FOR = timedelta(minutes=5)
"""How long an order waits for its yes."""

YES = frozenset({"yes", "y", "да"})
NO = frozenset({"no", "n", "нет"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """A command that is to be confirmed before it is carried out.

    Args:
        verb: The command's first word.
        argument: What stands after it, with every chat by its id, so that a yes can't hit another chat.
        effect: What it does and to which chat, for the owner: `answer Vera (id 101, @vera) automatically`.
        chat: The chat as the owner is shown it; if it is called something else when the yes comes, nothing is done.
    """

    verb: str
    argument: str
    effect: str
    chat: Chat | None = None


Prepare = Callable[[str, CommandContext], Awaitable[Order]]
"""Reads a command's argument: finds the chats that it names, and says what would be done. Changes nothing."""


def order_on_chat(verb: str, effect: str) -> Prepare:
    """Return what prepares a command whose whole argument names one chat.

    Args:
        verb: The command.
        effect: What it does, with `{chat}` for the chat.
    """

    async def prepare(argument: str, context: CommandContext) -> Order:
        if not argument:
            raise ConfigError(f"Name a chat: its @username, title or id, as in `{PREFIX} {verb} @vera`.")
        chat = await context.find_chat(argument)
        described = await context.describe(chat)
        return Order(verb=verb, argument=str(chat.id), effect=effect.replace("{chat}", described), chat=chat)

    return prepare


@dataclass(slots=True)
class Confirmations:
    """The order that waits for a yes.

    Args:
        clock: Tells the time, aware.
    """

    clock: Callable[[], datetime]
    _order: Order | None = field(default=None, init=False)
    _until: datetime | None = field(default=None, init=False)
    _question_id: int | None = field(default=None, init=False)

    def ask(self, order: Order) -> str:
        """Remember an order in place of any other, and return the question to the owner."""
        before = self._waiting()
        dropped = "" if before is None else f"\nNot done, as this order came after it: {before.effect}."
        self._order, self._until, self._question_id = order, self.clock() + VALID_FOR, None
        minutes = f"{VALID_FOR.total_seconds() / 60:g}"
        return (
            f"To be done: {order.effect}.\nAnswer this message with `yes`, or send `{PREFIX} yes`, within {minutes} "
            f"minutes. `{PREFIX} no` drops it.{dropped}"
        )

    def note_question(self, message_id: int | None) -> None:
        """Remember the message that asks, so that a yes in answer to another one does not count."""
        self._question_id = message_id

    def take(self, *, reply_to_id: int | None = None) -> Order:
        """Return the order that is confirmed, once.

        Args:
            reply_to_id: Message that the yes answers, where it answers one: then it means the order of that question.

        Raises:
            ConfigError: No order waits, or the yes answers another message than the question.
        """
        order = self._waiting()
        if order is None:
            self._clear()
            minutes = f"{VALID_FOR.total_seconds() / 60:g}"
            raise ConfigError(
                f"No order waits for a yes: each waits for {minutes} minutes, is done once, and is forgotten when the "
                f"daemon restarts. Give the order again."
            )
        if reply_to_id is not None and self._question_id is not None and reply_to_id != self._question_id:
            raise ConfigError(f"This yes answers another message. What waits for one is: {order.effect}.")
        self._clear()
        return order

    def drop(self) -> str:
        """Forget the order that waits; return what to tell the owner."""
        order = self._waiting()
        self._clear()
        return "No order waits for a yes." if order is None else f"Not done: {order.effect}."

    def _waiting(self) -> Order | None:
        return self._order if self._until is not None and self.clock() < self._until else None

    def _clear(self) -> None:
        self._order = self._until = self._question_id = None


def read_answer(text: str) -> str | None:
    """Read a plain answer to a question as the command that it stands for, `yes` or `no`; None for anything else."""
    word = text.strip().strip(".!").casefold()
    if word in YES:
        return "yes"
    return "no" if word in NO else None
