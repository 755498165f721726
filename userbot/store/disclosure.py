"""The disclosure index: which chats hold a term, who said it there, and which messages wait to be indexed.

A term is a keyed hash, so that the table names nothing; `userbot.trust.terms` makes terms of words. What changes in
`messages` is queued by the database itself (`userbot.store.schema.WORDS_CHANGED`).
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass

from sqlalchemy import Engine
from sqlalchemy.engine import Connection

from userbot.store.facts import DISCLOSURE_KEY, FactRepository
from userbot.store.schema import QUEUE_ALL

_ASKED_AT_ONCE = 500

_WAITING = (
    "SELECT q.chat_id, q.id, CASE WHEN q.was_origin <> 'clone' THEN q.was END, coalesce(q.was_origin = 'owner', 0), "
    "CASE WHEN m.deleted_at IS NULL AND m.origin <> 'clone' AND m.text <> '' THEN m.text END, "
    "coalesce(m.origin = 'owner', 0), coalesce(m.edited_at, m.sent_at, 0) "
    "FROM (SELECT * FROM disclosure_queue LIMIT ?) q LEFT JOIN messages m ON m.chat_id = q.chat_id AND m.id = q.id"
)
_ADD = (
    "INSERT INTO disclosure_terms (term, chat_id, owner_n, contact_n, marked_n, first_at) VALUES (?, ?, ?, ?, ?, ?) "
    "ON CONFLICT (term, chat_id) DO UPDATE SET owner_n = owner_n + excluded.owner_n, "
    "contact_n = contact_n + excluded.contact_n, marked_n = marked_n + excluded.marked_n, "
    "first_at = min(first_at, excluded.first_at)"
)
_DROP = "DELETE FROM disclosure_terms WHERE term = ? AND chat_id = ? AND owner_n <= 0 AND contact_n <= 0"


@dataclass(frozen=True, slots=True)
class Change:
    """A message whose words are not in the index as they are now.

    Args:
        chat_id: Its chat.
        id: Its id.
        was: Words that the index has of it; None where it has none.
        was_by_owner: Whether those are the owner's.
        now: Words that it has now; None where it is gone, empty, or the clone's.
        now_by_owner: Whether those are the owner's.
        said_at: When it came to say what it says now, milliseconds since 1970.
    """

    chat_id: int
    id: int
    was: str | None
    was_by_owner: bool
    now: str | None
    now_by_owner: bool
    said_at: int


@dataclass(frozen=True, slots=True)
class Count:
    """How often a term was said in one chat.

    Args:
        term: The hash.
        chat_id: The chat.
        owner: Messages of the owner with it.
        contact: Messages of the other side with it.
        marked: Sum of how telling each of these messages writes it (`userbot.trust.terms.Term.weight`).
        first_at: When it was said first, milliseconds since 1970.
    """

    term: int
    chat_id: int
    owner: int
    contact: int
    marked: int
    first_at: int


class DisclosureRepository:
    """Reads and writes the disclosure index.

    Args:
        engine: An open engine.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._facts = FactRepository(engine)

    def key(self) -> bytes:
        """Return the key of the hashes, which stays in the store; it is made at the first call."""
        known = self._facts.get(DISCLOSURE_KEY)
        if known is None:
            known = secrets.token_hex(16)
            self._facts.set(DISCLOSURE_KEY, known)
        return bytes.fromhex(known)

    def count_waiting(self, *, limit: int) -> int:
        """Count the messages that wait to be indexed, and the chats to be counted again, up to a limit."""
        with self._engine.connect().execution_options(read_only=True) as connection:
            query = (
                "SELECT count(*) FROM (SELECT 1 FROM (SELECT chat_id FROM disclosure_recounts UNION ALL "
                "SELECT chat_id FROM disclosure_queue) LIMIT ?)"
            )
            return int(connection.exec_driver_sql(query, (limit,)).scalar_one())

    def take(self, count: Callable[[Sequence[Change]], Iterable[Count]], *, limit: int) -> int:
        """Index messages that wait, in one transaction; return how many there were.

        Args:
            count: Returns what changes to messages do to the counts, which may be negative.
            limit: How many messages at most.
        """
        with self._engine.begin() as connection:
            _begin_recounts(connection)
            changes = [
                Change(row[0], row[1], row[2] or None, bool(row[3]), row[4], bool(row[5]), row[6])
                for row in connection.exec_driver_sql(_WAITING, (limit,))
            ]
            if not changes:
                return 0
            rows = [(c.term, c.chat_id, c.owner, c.contact, c.marked, c.first_at) for c in count(changes)]
            if rows:
                connection.exec_driver_sql(_ADD, rows)
            if less := [(row[0], row[1]) for row in rows if row[2] < 0 or row[3] < 0]:
                connection.exec_driver_sql(_DROP, less)
            done = [(change.chat_id, change.id) for change in changes]
            connection.exec_driver_sql("DELETE FROM disclosure_queue WHERE chat_id = ? AND id = ?", done)
        return len(changes)

    def find(self, terms: Collection[int]) -> list[Count]:
        """Return where terms were said, chat by chat."""
        wanted = list(terms)
        found = []
        with self._engine.connect().execution_options(read_only=True) as connection:
            for start in range(0, len(wanted), _ASKED_AT_ONCE):
                part = tuple(wanted[start : start + _ASKED_AT_ONCE])
                marks = ",".join("?" * len(part))
                query = f"SELECT * FROM disclosure_terms WHERE term IN ({marks})"  # noqa: S608 - question marks only
                found += [Count(*row) for row in connection.exec_driver_sql(query, part)]
        return found

    def forget_chat(self, chat_id: int) -> None:
        """Take everything of a chat out of the index and its queue; call it after the chat's messages are deleted."""
        with self._engine.begin() as connection:
            for table in ("disclosure_terms", "disclosure_queue", "disclosure_recounts", "withheld_answers"):
                connection.exec_driver_sql(f"DELETE FROM {table} WHERE chat_id = ?", (chat_id,))  # noqa: S608 - names above

    def rebuild(self) -> None:
        """Empty the index and queue every message for it; quick, as the work is done later, batch by batch."""
        with self._engine.begin() as connection:
            connection.exec_driver_sql("DELETE FROM disclosure_terms")
            connection.exec_driver_sql("DELETE FROM disclosure_queue")
            connection.exec_driver_sql("DELETE FROM disclosure_recounts")
            connection.exec_driver_sql(QUEUE_ALL)


def _begin_recounts(connection: Connection) -> None:
    """Queue all messages of the chats from which some were deleted, in place of what was counted there."""
    for (chat_id,) in connection.exec_driver_sql("SELECT chat_id FROM disclosure_recounts").all():
        for table in ("disclosure_terms", "disclosure_queue", "disclosure_recounts"):
            connection.exec_driver_sql(f"DELETE FROM {table} WHERE chat_id = ?", (chat_id,))  # noqa: S608 - names above
        connection.exec_driver_sql(f"{QUEUE_ALL} AND chat_id = ?", (chat_id,))
