"""The store: one object that owns the database, with one repository per subject."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Self

from sqlalchemy import Engine

from userbot.store.chats import ChatRepository
from userbot.store.commands import CommandRepository
from userbot.store.consents import ConsentRepository
from userbot.store.disclosure import DisclosureRepository
from userbot.store.engine import open_engine
from userbot.store.facts import FactRepository
from userbot.store.generations import GenerationRepository
from userbot.store.messages import MessageRepository
from userbot.store.replies import ReplyRepository
from userbot.store.tombstones import TombstoneRepository
from userbot.store.withheld import WithheldRepository

Clock = Callable[[], datetime]


def utc_now() -> datetime:
    """Return the present time, aware, UTC."""
    return datetime.now(UTC)


class Store:
    """Everything that the program remembers. Synchronous: the daemon calls it through a `StoreThread`.

    Safe to share between threads; several processes may open the same file.

    Args:
        engine: An open engine whose tables are up to date.
        clock: Tells the time of writes.
    """

    def __init__(self, engine: Engine, clock: Clock = utc_now) -> None:
        self.engine = engine
        self.clock = clock
        self.chats = ChatRepository(engine, clock)
        self.consents = ConsentRepository(engine, clock)
        self.messages = MessageRepository(engine, clock)
        self.replies = ReplyRepository(engine, clock)
        self.generations = GenerationRepository(engine, clock)
        self.facts = FactRepository(engine)
        self.disclosure = DisclosureRepository(engine)
        self.withheld = WithheldRepository(engine, clock)
        self.commands = CommandRepository(engine, clock)
        self.tombstones = TombstoneRepository(engine)

    @classmethod
    def open(cls, path: Path, clock: Clock = utc_now) -> Self:
        """Open the SQLite file, creating and migrating it as needed.

        Args:
            path: The file; its folder is made if missing.
            clock: Tells the time of writes.

        Raises:
            StoreNewerError: A newer version of the program has written it.
            StoreError: It can't be opened.
        """
        return cls(open_engine(path), clock)

    def close(self) -> None:
        """Close all connections."""
        self.engine.dispose()

    def __enter__(self) -> Self:
        """Return the store itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close all connections."""
        self.close()
