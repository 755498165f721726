"""Generations: every time the model was asked to write, whatever became of it. Limits are counted from here.

A row is written before the model is asked, so that neither a crash nor a try that is thrown away is forgotten.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Engine, delete, func, insert, select

from userbot.store.schema import generations

_HOUR, _DAY = timedelta(hours=1), timedelta(days=1)


@dataclass(frozen=True, slots=True)
class GenerationCounts:
    """How often the model was asked.

    Args:
        chat_in_hour: For the chat, in the last hour.
        chat_in_day: For the chat, in the last 24 hours.
        in_day: For all chats, in the last 24 hours.
    """

    chat_in_hour: int
    chat_in_day: int
    in_day: int


class GenerationRepository:
    """Counts generations.

    Args:
        engine: An open engine.
        clock: Tells when the model was asked.
    """

    def __init__(self, engine: Engine, clock: Callable[[], datetime]) -> None:
        self._engine = engine
        self._clock = clock

    def note(self, chat_id: int) -> int:
        """Record that the model is about to be asked; return the record's id. What no limit asks for any more goes."""
        now = self._clock()
        with self._engine.begin() as connection:
            connection.execute(delete(generations).where(generations.c.at < now - 2 * _DAY))
            key = connection.execute(insert(generations).values(chat_id=chat_id, at=now)).inserted_primary_key
        return int(key[0]) if key else 0

    def take_back(self, generation_id: int) -> None:
        """Forget a record: the model could not be reached."""
        with self._engine.begin() as connection:
            connection.execute(delete(generations).where(generations.c.id == generation_id))

    def count(self, chat_id: int) -> GenerationCounts:
        """Count the generations of the last hour and day."""
        now = self._clock()
        of_chat, of_day = generations.c.chat_id == chat_id, generations.c.at >= now - _DAY
        query = select(
            func.count().filter(of_chat & (generations.c.at >= now - _HOUR)),
            func.count().filter(of_chat),
            func.count(),
        ).where(of_day)
        with self._engine.connect() as connection:
            return GenerationCounts(*connection.execute(query).one())
