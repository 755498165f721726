"""Answers that were withheld: kept here for the owner to see on the terminal, and sent nowhere."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Engine, func, insert, select

from userbot.store.schema import withheld_answers


@dataclass(frozen=True, slots=True, kw_only=True)
class WithheldAnswer:
    """An answer that was not sent.

    Args:
        id: Set by the store.
        chat_id: Where it would have gone.
        trigger_id: Newest message of the burst that it answers.
        kind: What it held; a category, no words.
        text: Its bubbles as lines.
        created_at: When.
    """

    id: int
    chat_id: int
    trigger_id: int
    kind: str
    text: str
    created_at: datetime


class WithheldRepository:
    """Reads and writes answers that were withheld.

    Args:
        engine: An open engine.
        clock: Tells when one was withheld.
    """

    def __init__(self, engine: Engine, clock: Callable[[], datetime]) -> None:
        self._engine = engine
        self._clock = clock

    def add(self, chat_id: int, trigger_id: int, *, kind: str, text: str) -> None:
        """Keep an answer.

        Args:
            chat_id: Where it would have gone.
            trigger_id: Newest message of the burst that it answers.
            kind: What it held; a category, no words.
            text: Its bubbles as lines.
        """
        row = {"chat_id": chat_id, "trigger_id": trigger_id, "kind": kind, "text": text, "created_at": self._clock()}
        with self._engine.begin() as connection:
            connection.execute(insert(withheld_answers).values(row))

    def count(self, chat_id: int, *, since: datetime) -> int:
        """Count the answers to a chat that were withheld since a time."""
        query = select(func.count()).where(
            withheld_answers.c.chat_id == chat_id, withheld_answers.c.created_at >= since
        )
        with self._engine.connect() as connection:
            return connection.execute(query).scalar_one()

    def newest(self, chat_id: int | None = None, *, limit: int) -> list[WithheldAnswer]:
        """Return the newest ones, of all chats or one, newest first."""
        query = select(withheld_answers).order_by(withheld_answers.c.id.desc()).limit(limit)
        if chat_id is not None:
            query = query.where(withheld_answers.c.chat_id == chat_id)
        with self._engine.connect() as connection:
            return [WithheldAnswer(**row._mapping) for row in connection.execute(query)]
