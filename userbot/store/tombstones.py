"""Tombstones: what was forgotten, by ids and times alone, so that no import, pull or update brings it back.

A chat's tombstone refuses its messages up to the moment of forgetting; what is written later is stored like any other
message, once the owner lets the chat in again. A person's tombstone refuses all that they write in that group.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, Engine, delete, select
from sqlalchemy.dialects.sqlite import insert as upsert

from userbot.domain.messages import Message, Origin
from userbot.store.members import member_id
from userbot.store.schema import tombstones

EVERYBODY = 0
"""`person_id` of a tombstone that stands for a whole chat."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tombstone:
    """One thing that was forgotten.

    Args:
        chat_id: The chat.
        person_id: A member of the group, by `userbot.store.members.member_id`; `EVERYBODY` for the whole chat.
        same_as: Chat that was forgotten when this one is another export's id of it, else `chat_id` itself.
        forgotten_at: When; aware.
        up_to_id: Newest message of a chat of Telegram's that was stored then; 0 where ids don't tell the order.
    """

    chat_id: int
    person_id: int = EVERYBODY
    same_as: int
    forgotten_at: datetime
    up_to_id: int = 0

    def covers(self, message: Message) -> bool:
        """Tell whether a message is one of those that were forgotten."""
        if message.chat_id != self.chat_id:
            return False
        if self.person_id != EVERYBODY:
            is_by_them = member_id(message.sender_id, message.sender_name) == self.person_id
            return message.origin is Origin.CONTACT and is_by_them
        return message.sent_at <= self.forgotten_at or message.id <= self.up_to_id


class TombstoneRepository:
    """Reads and writes tombstones.

    Args:
        engine: An open engine.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def add(self, stones: Iterable[Tombstone]) -> None:
        """Set tombstones; a newer one replaces that of the same chat and person."""
        rows = [{name: getattr(stone, name) for name in stone.__slots__} for stone in stones]
        if not rows:
            return
        statement = upsert(tombstones)
        changes = {name: statement.excluded[name] for name in ("same_as", "forgotten_at", "up_to_id")}
        with self._engine.begin() as connection:
            connection.execute(
                statement.on_conflict_do_update(index_elements=["chat_id", "person_id"], set_=changes), rows
            )

    def all(self) -> list[Tombstone]:
        """Return all tombstones by chat and person."""
        with self._engine.connect() as connection:
            rows = connection.execute(select(tombstones).order_by(tombstones.c.chat_id, tombstones.c.person_id))
            return [Tombstone(**row._mapping) for row in rows]

    def forgotten_chats(self) -> dict[int, Tombstone]:
        """Return the tombstones of whole chats by chat id, other exports' ids of the same chat among them."""
        return {stone.chat_id: stone for stone in self.all() if stone.person_id == EVERYBODY}

    def remove(self, chat_id: int, *, person: int = EVERYBODY) -> int:
        """Take away the tombstones of a chat under all its ids, or of one person in it; return how many there were."""
        same = (tombstones.c.same_as == chat_id) | (tombstones.c.chat_id == chat_id)
        with self._engine.begin() as connection:
            return connection.execute(delete(tombstones).where(same, tombstones.c.person_id == person)).rowcount


def drop_forgotten(connection: Connection, received: Sequence[Message]) -> Sequence[Message]:
    """Return the messages that may be stored: those that no tombstone covers.

    Args:
        connection: In the transaction that stores them.
        received: Messages of any chats.
    """
    stones = [Tombstone(**row._mapping) for row in connection.execute(select(tombstones))]
    if not stones:
        return received
    by_chat: dict[int, list[Tombstone]] = {}
    for stone in stones:
        by_chat.setdefault(stone.chat_id, []).append(stone)
    return [one for one in received if not any(stone.covers(one) for stone in by_chat.get(one.chat_id, ()))]
