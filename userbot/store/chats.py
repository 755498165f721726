"""Chats: who is in the store, who may be answered, who gave consent."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from typing import Any

from sqlalchemy import Engine, Row, Select, func, or_, select, update
from sqlalchemy.dialects.sqlite import insert as upsert

from userbot.domain.errors import ChatNotFoundError, ConsentError
from userbot.domain.messages import Chat, ChatKind, Mode, Origin, PromptName
from userbot.domain.names import choose_free, clean_name, name_skeleton
from userbot.domain.telegram_ids import FIRST_DERIVED_ID
from userbot.store.chat_names import describe_chat, find_chat, taken_usernames
from userbot.store.schema import chats, messages

MANY = 500
"""From so many chats on, one query reads all that are stored."""

_COLUMNS = frozenset(column.name for column in chats.c) - {"told_title"}


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

        A username or access hash that is None now keeps its old value, except that a chat with an access hash comes
        from Telegram itself, which then says that there is no username. A username has one holder: whoever is seen
        with it takes it from the chat that had it before.
        """
        chosen = {chat.id: chat for chat in seen}
        if not chosen:
            return
        with self._engine.begin() as connection:
            known = {row.id: _chat(row) for row in connection.execute(_concerned(chosen.values()))}
            held = {chat_id: chat.username for chat_id, chat in known.items() if chat.username}
            taken = taken_usernames(chosen.values(), held)
            for chat_id in taken - set(chosen):
                former = _add_former(known[chat_id], None)
                lost = update(chats).where(chats.c.id == chat_id)
                connection.execute(lost.values(username=None, former_usernames=former))
            rows = [_refresh_username(chat, known.get(chat.id), taken=chat.id in taken) for chat in chosen.values()]
            statement = upsert(chats)
            new = statement.excluded
            refreshed = ("kind", "title", "source", "own_only", "username", "former_usernames")
            changes: dict[str, Any] = {name: new[name] for name in refreshed}
            changes["access_hash"] = func.coalesce(new.access_hash, chats.c.access_hash)
            connection.execute(statement.on_conflict_do_update(index_elements=["id"], set_=changes), rows)

    def refresh(self, seen: Iterable[Chat]) -> None:
        """Refresh the chats among these that the store has, as `save` does; others are not added.

        Args:
            seen: Chats as Telegram describes them now, such as the account's list of dialogs.
        """
        known = {chat.id: chat for chat in self.all()}
        chosen = list(seen)
        self.save(replace(chat, own_only=known[chat.id].own_only) for chat in chosen if chat.id in known)
        self.release_usernames([chat for chat in chosen if chat.id not in known])

    def release_usernames(self, seen: Collection[Chat]) -> None:
        """Take usernames from the stored chats that had them, as others have them now.

        Args:
            seen: Chats as Telegram describes them now, which need not be stored.
        """
        if not any(chat.username for chat in seen):
            return
        with self._engine.connect() as connection:
            known = {row.id: _chat(row) for row in connection.execute(_concerned(seen))}
        held = {chat_id: chat.username for chat_id, chat in known.items() if chat.username}
        for chat_id in taken_usernames(seen, held):
            self._update(chat_id, username=None, former_usernames=_add_former(known[chat_id], None))

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

    def find(self, text: str, *, dialogs: Iterable[Chat] = ()) -> Chat:
        """Return the one chat that `text` means, by the rule of `userbot.store.chat_names`.

        Args:
            text: What the owner has typed.
            dialogs: The account's own chats, where Telegram was asked; the result may be one that is not stored.

        Raises:
            ChatNotFoundError: No chat is meant, or more than one could be.
        """
        return find_chat(text, self.all(), dialogs=dialogs)

    def describe(self, chat: Chat) -> str:
        """Say which chat is meant: its title, id, username, and the time of its newest stored message."""
        with self._engine.connect() as connection:
            newest = select(messages.c.sent_at).where(messages.c.chat_id == chat.id, messages.c.deleted_at.is_(None))
            at = connection.execute(newest.order_by(messages.c.sent_at.desc()).limit(1)).scalar_one_or_none()
        times = [time for time in (at, chat.last_message_at) if time is not None]
        return describe_chat(chat, newest_at=max(times, default=None))

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
        if mode is not Mode.OFF:
            self.keep_name(chat_id)

    def set_relationship(self, chat_id: int, text: str | None) -> None:
        """Remember who the contact is to the owner, in their words; None or an empty text forgets it."""
        self._update(chat_id, relationship=text or None)

    def pause(self, chat_id: int, until: datetime | None) -> None:
        """Answer nothing in a chat before `until`, an aware time; None ends the pause."""
        self._update(chat_id, paused_until=until)

    def accept_name(self, chat_id: int) -> str:
        """Let prompts name a chat as it is titled now; return that name, such as `Vera (2)` for a second Vera.

        Prompts of adapters that were trained before keep the name that they learned.

        Raises:
            ChatNotFoundError: No chat has this id.
        """
        chat = self.get(chat_id)
        if chat is None:
            raise ChatNotFoundError(f"No chat has the id {chat_id}. `clone chats list` shows the ids.")
        name = self._choose_name(chat)
        if not chat.prompt_names or chat.prompt_names[-1].name != name:
            self._update(chat_id, prompt_names=(*chat.prompt_names, PromptName(name, self._clock())))
        self.note_told(chat_id, chat.title)
        return name

    def renamed(self) -> list[tuple[Chat, str]]:
        """Return the chats that are called something else than the owner was told, each with the title of before.

        Only chats that are answered or trained on.
        """
        used = or_(chats.c.mode != Mode.OFF, chats.c.consent_at.is_not(None))
        query = select(chats).where(used, chats.c.told_title.is_not(None), chats.c.told_title != chats.c.title)
        with self._engine.connect() as connection:
            return [(_chat(row), row.told_title) for row in connection.execute(query.order_by(chats.c.id))]

    def note_told(self, chat_id: int, title: str) -> None:
        """Remember that the owner was told what a chat is called."""
        self._update(chat_id, told_title=title)

    def keep_name(self, chat_id: int) -> None:
        """Let prompts name a chat as it is titled now, unless a name was accepted before."""
        chat = self.get(chat_id)
        if chat is not None and not chat.prompt_names:
            self.accept_name(chat_id)

    def _choose_name(self, chat: Chat) -> str:
        """Return what prompts may call a chat, so that nobody is called what another contact of the account is.

        Chats of another messenger, or of an export without ids, may well be with the same person.
        """
        name = clean_name(chat.title)
        others = [one for one in self.all() if one.id != chat.id and one.prompt_names and _same_realm(one, chat)]
        return choose_free(name, {name_skeleton(one.prompt_names[-1].name) for one in others})

    def _update(self, chat_id: int, **values: Any) -> None:
        with self._engine.begin() as connection:
            connection.execute(update(chats).where(chats.c.id == chat_id).values(**values))


def _chat(row: Row[Any]) -> Chat:
    values = {name: getattr(row, name) for name in row._fields if name in _COLUMNS}
    former = tuple(row.former_usernames)
    return Chat(**{**values, "kind": ChatKind(row.kind), "mode": Mode(row.mode), "former_usernames": former})


def _same_realm(one: Chat, other: Chat) -> bool:
    known = one.id < FIRST_DERIVED_ID and other.id < FIRST_DERIVED_ID
    return known and one.source == other.source and one.kind is other.kind


def _concerned(seen: Collection[Chat]) -> Select[Any]:
    """Select the stored chats that these are, and those that bear one of their usernames."""
    query = select(chats)
    if len(seen) > MANY:
        return query
    names = [chat.username.lower() for chat in seen if chat.username]
    return query.where(or_(chats.c.id.in_([chat.id for chat in seen]), func.lower(chats.c.username).in_(names)))


def _refresh_username(seen: Chat, known: Chat | None, *, taken: bool) -> dict[str, Any]:
    """Return the row of a chat as it is seen now, with the username that it has and those that it had."""
    row = asdict(seen)
    del row["last_message_at"]
    row["prompt_names"] = seen.prompt_names
    if known is None:
        return row
    if seen.username is None and seen.access_hash is None:  # nothing is said about it
        row["username"] = None if taken else known.username
    row["former_usernames"] = _add_former(known, row["username"])
    return row


def _add_former(known: Chat, username: str | None) -> list[str]:
    """Return the usernames that a chat had, now that it has this one, or none."""
    now = (username or "").casefold()
    names = [*known.former_usernames, *([known.username] if known.username else [])]
    return [name for name in dict.fromkeys(names) if name.casefold() != now]
