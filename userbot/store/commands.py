"""Commands that other processes leave for the running daemon, and its answers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Engine, insert, select, update

from userbot.store.schema import commands


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """A command that another process left for the daemon.

    Args:
        id: Set by the store.
        verb: What to do, such as `pause`.
        argument: What stands after it; may be empty.
    """

    id: int
    verb: str
    argument: str


@dataclass(frozen=True, slots=True)
class Answer:
    """The daemon's answer to a command.

    Args:
        text: What it did, or why it could not.
        failed: It could not.
    """

    text: str
    failed: bool


class CommandRepository:
    """Commands that other processes leave for the daemon, and its answers.

    Args:
        engine: An open engine.
        clock: Tells when a command was left and answered.
    """

    def __init__(self, engine: Engine, clock: Callable[[], datetime]) -> None:
        self._engine = engine
        self._clock = clock

    def leave(self, verb: str, argument: str) -> int:
        """Leave a command for the daemon; return its id, for `read_answer`."""
        row = {"verb": verb, "argument": argument, "created_at": self._clock()}
        with self._engine.begin() as connection:
            return int(connection.execute(insert(commands).values(row).returning(commands.c.id)).scalar_one())

    def waiting(self) -> list[Command]:
        """Return the commands that are not answered yet, oldest first."""
        query = select(commands.c.id, commands.c.verb, commands.c.argument).where(commands.c.done_at.is_(None))
        with self._engine.connect() as connection:
            return [Command(**row) for row in connection.execute(query.order_by(commands.c.id)).mappings()]

    def give_up(self, before: datetime, *, text: str) -> None:
        """Answer all unanswered commands that were left before a time, as failed: nobody waits for them any more.

        Args:
            before: Aware time.
            text: The answer.
        """
        with self._engine.begin() as connection:
            statement = update(commands).where(commands.c.done_at.is_(None), commands.c.created_at < before)
            connection.execute(statement.values(done_at=self._clock(), answer=text, failed=True))

    def answer(self, command_id: int, text: str, *, failed: bool = False) -> None:
        """Record that a command was carried out, or why it can't be."""
        with self._engine.begin() as connection:
            statement = update(commands).where(commands.c.id == command_id)
            connection.execute(statement.values(done_at=self._clock(), answer=text, failed=failed))

    def read_answer(self, command_id: int) -> Answer | None:
        """Return the daemon's answer, or None while there is none."""
        query = select(commands.c.answer, commands.c.failed).where(
            commands.c.id == command_id, commands.c.done_at.is_not(None)
        )
        with self._engine.connect() as connection:
            row = connection.execute(query).first()
        return None if row is None else Answer(row.answer, row.failed)
