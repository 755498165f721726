"""Chats: who is in the store, who may be answered, who gave consent."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Engine, Row, func, select, update
from sqlalchemy.dialects.sqlite import insert as upsert

from userbot.domain.errors import ChatNotFoundError, ConsentError
from userbot.domain.messages import Chat, ChatKind, Mode, Origin
from userbot.store.chat_names import match_name, match_part
from userbot.store.schema import chats, messages

_COLUMNS = frozenset(column.name for column in chats.c)


@dataclass(frozen=True, slots=True, kw_only=True)
class ChatCount:
    """A chat with its numbers of messages by origin.

    Args:
        chat: The chat.
        contact: Messages of the other side.
        owner: Messages that the owner wrote.
        clone: Messages that the clone wrote.
        newest_at: Time of the newest message; None where there is none.
    """

    chat: Chat
    contact: int
    owner: int
    clone: int
    newest_at: datetime | None


class ChatRepository:
    """Reads and writes chats.

    Args:
        engine: An open engine.
        clock: Tells the time of consents.
    """

    def __init__(self, engine: Engine, clock: Callable[[], datetime]) -> None:
        self._engine = engine
        self._clock = clock

    def save(self, seen: Iterable[Chat]) -> None:
        """Add chats, or refresh what is known about them; the owner's decisions (mode, consent, …) stay as they are.

        A username or access hash that is None now keeps its old value.
        """
        rows = [asdict(chat) for chat in seen]
        if not rows:
            return
        statement = upsert(chats)
        new = statement.excluded
        changes: dict[str, Any] = {name: new[name] for name in ("kind", "title", "source", "own_only")}
        for name in ("username", "access_hash"):
            changes[name] = func.coalesce(new[name], chats.c[name])
        with self._engine.begin() as connection:
            connection.execute(statement.on_conflict_do_update(index_elements=["id"], set_=changes), rows)

    def get(self, chat_id: int) -> Chat | None:
        """Return a chat, or None."""
        with self._engine.connect() as connection:
            row = connection.execute(select(chats).where(chats.c.id == chat_id)).first()
        return None if row is None else _chat(row)

    def all(self) -> list[Chat]:
        """Return all chats by title."""
        with self._engine.connect() as connection:
            return [_chat(row) for row in connection.execute(select(chats).order_by(chats.c.title, chats.c.id))]

    def count(self) -> list[ChatCount]:
        """Return all chats with their numbers of messages, most owner messages first."""
        sums = {o: func.count().filter(messages.c.origin == o).label(f"n_{o}") for o in Origin}
        query = (
            select(chats, *sums.values(), func.max(messages.c.sent_at).label("newest_at"))
            .join_from(chats, messages, messages.c.chat_id == chats.c.id, isouter=True)
            .group_by(chats.c.id)
            .order_by(sums[Origin.OWNER].desc(), chats.c.title)
        )
        with self._engine.connect() as connection:
            return [
                ChatCount(chat=_chat(r), contact=r.n_peer, owner=r.n_owner, clone=r.n_clone, newest_at=r.newest_at)
                for r in connection.execute(query)
            ]

    def find(self, text: str, *, whole: bool = False) -> Chat:
        """Return the one chat that `text` names: its id, its `@username`, or its title, in upper or lower case.

        Args:
            text: What the owner has typed.
            whole: Accept the whole title only, not a part of it: for decisions that must not hit somebody else.

        Returns:
            The chat.

        Raises:
            ChatNotFoundError: No chat matches, or several do.
        """
        if not text.strip().removeprefix("@"):
            raise ChatNotFoundError("No chat is named. `clone chats list` shows the chats and their ids.")
        known = self.all()
        matches = match_name(known, text)
        if not matches:
            matches = match_part(known, text)
            if matches and whole:
                raise ChatNotFoundError(
                    f"No chat is called {text!r}; {matches[0].title} ({matches[0].id}) comes near. Give the whole "
                    f"title or the id: this decides who is answered or trained on."
                )
        if not matches:
            raise ChatNotFoundError(f"No chat fits {text!r}. `clone chats list` shows the chats and their ids.")
        if len(matches) > 1:
            names = ", ".join(f"{chat.title} ({chat.id})" for chat in matches[:5])
            raise ChatNotFoundError(
                f"{len(matches)} chats fit {text!r}: {names}. Give the id, such as {matches[0].id}."
            )
        return matches[0]

    def allowed(self) -> list[Chat]:
        """Return the chats that may be answered: mode `draft` or `auto`."""
        with self._engine.connect() as connection:
            query = select(chats).where(chats.c.mode != Mode.OFF).order_by(chats.c.title)
            return [_chat(row) for row in connection.execute(query)]

    def set_mode(self, chat_id: int, mode: Mode) -> None:
        """Let the clone answer a chat, write drafts there, or leave it alone.

        Raises:
            ChatNotFoundError: No chat has this id.
            ConsentError: The chat is no conversation with people, so the clone never writes there.
        """
        chat = self.get(chat_id)
        if chat is None:
            raise ChatNotFoundError(f"No chat has the id {chat_id}. `clone chats list` shows the ids.")
        if mode is not Mode.OFF and (not chat.kind.is_conversation or chat.source != "telegram"):
            raise ConsentError(
                f"{chat.title!r} is a {chat.kind} chat from {chat.source}: only Telegram's private chats and groups "
                f"are ever answered. Choose another with `clone chats list`."
            )
        self._update(chat_id, mode=mode)

    def record_consent(self, chat_id: int, *, by: str) -> None:
        """Record that training on a chat is agreed, when, and by whom."""
        self._update(chat_id, consent_at=self._clock(), consent_by=by)

    def withdraw_consent(self, chat_id: int) -> None:
        """Take a consent back: the chat is no training data from now on."""
        self._update(chat_id, consent_at=None, consent_by=None)

    def set_relationship(self, chat_id: int, text: str | None) -> None:
        """Remember who the contact is to the owner, in their words; None or an empty text forgets it."""
        self._update(chat_id, relationship=text or None)

    def pause(self, chat_id: int, until: datetime | None) -> None:
        """Answer nothing in a chat before `until`, an aware time; None ends the pause."""
        self._update(chat_id, paused_until=until)

    def _update(self, chat_id: int, **values: Any) -> None:
        with self._engine.begin() as connection:
            connection.execute(update(chats).where(chats.c.id == chat_id).values(**values))


def _chat(row: Row[Any]) -> Chat:
    values = {name: getattr(row, name) for name in row._fields if name in _COLUMNS}
    return Chat(**{**values, "kind": ChatKind(row.kind), "mode": Mode(row.mode)})
