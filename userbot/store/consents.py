"""The ledger of consents: who agreed to training on which chat, and who took it back. Rows are only ever added.

Triggers in the database refuse every change and deletion, also by other programs; erasing the names of a chat that is
forgotten is the one exception. A row belongs to the account that was logged in when it was written, and means nothing
to another account. Rows from before the first login belong to the account that logs in first (`bind`).

Rules on who may consent to what are in `userbot.trust.consent`, through which the program writes. `chats.consent_at`
and `chats.consent_by` repeat the newest consent for lists of chats; nothing is trained on because of them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Engine, func, insert, null, select, update

from userbot.domain.consent import FORGOTTEN, Action, ConsentRecord, ConsentState
from userbot.domain.messages import ChatKind, Origin
from userbot.store.facts import OWNER_ID
from userbot.store.members import member_id
from userbot.store.runs import HELD_OUT, TRAIN
from userbot.store.schema import chats, consents, facts, members, messages


class ConsentRepository:
    """Reads the ledger, and adds to it.

    Args:
        engine: An open engine.
        clock: Tells the time of rows.
    """

    def __init__(self, engine: Engine, clock: Callable[[], datetime]) -> None:
        self._engine = engine
        self._clock = clock

    def append(
        self,
        chat_id: int,
        action: Action,
        *,
        members: Iterable[int] | None = None,
        since: datetime | None = None,
        given_by: str | None = None,
        wording: str | None = None,
        reason: str | None = None,
        origin: str = "owner",
    ) -> ConsentRecord:
        """Add a row for the account that is logged in, without asking whether the rules allow it; return it."""
        listed = None if members is None else sorted(set(members))
        with self._engine.begin() as connection:
            row = {
                "account_id": _read_account(connection),
                "chat_id": chat_id,
                "action": action,
                "members": null() if listed is None else listed,
                "since": since,
                "at": self._clock(),
                "given_by": given_by,
                "wording": wording,
                "reason": reason,
                "origin": origin,
            }
            new_id = connection.execute(insert(consents).values(row).returning(consents.c.id)).scalar_one()
            _repeat_in_chats(connection, [chat_id])
            found = connection.execute(select(consents).where(consents.c.id == new_id)).one()
        return _record(found)

    def give(self, chat_id: int, *, by: str, origin: str = "owner") -> ConsentRecord:
        """Add a consent of everybody in a chat to all of its messages, without asking whether the rules allow it."""
        with self._engine.connect() as connection:
            listed = _list_members(connection, chat_id) if _list_groups(connection, [chat_id]) else None
        return self.append(chat_id, Action.GIVEN, members=listed, given_by=by, origin=origin)

    def take_back(self, chat_id: int, *, reason: str | None = None) -> ConsentRecord:
        """Add a withdrawal for everybody in a chat, whether anybody had agreed or not."""
        return self.append(chat_id, Action.WITHDRAWN, reason=reason)

    def bind(self, account_id: int) -> None:
        """Say that an account logged in: rows from before the first login become its own, unless another was first."""
        with self._engine.begin() as connection:
            rows = connection.execute(select(consents.c.account_id, consents.c.action)).all()
            unbound = any(row.account_id is None for row in rows)
            if unbound and not any(row.action == Action.BOUND for row in rows):
                bound = {"account_id": account_id, "action": Action.BOUND, "at": self._clock(), "origin": "owner"}
                connection.execute(insert(consents).values(members=null(), **bound))
            ids = connection.execute(select(chats.c.id).where(chats.c.consent_at.is_not(None))).scalars().all()
            named = connection.execute(select(consents.c.chat_id).distinct()).scalars().all()
            _repeat_in_chats(connection, {*ids, *(one for one in named if one is not None)}, account_id=account_id)

    def history(self, chat_id: int | None = None) -> list[ConsentRecord]:
        """Return the rows of all accounts, of one chat or of all, oldest first."""
        query = select(consents).order_by(consents.c.id)
        if chat_id is not None:
            query = query.where(consents.c.chat_id == chat_id)
        with self._engine.connect() as connection:
            return [_record(row) for row in connection.execute(query)]

    def state(self, chat_id: int) -> ConsentState:
        """Return what the ledger says of a chat now, for the account that is logged in."""
        return self.states([chat_id]).get(chat_id) or ConsentState(chat_id)

    def states(self, chat_ids: Iterable[int] | None = None) -> dict[int, ConsentState]:
        """Return what the ledger says of these chats, or of all that it names."""
        with self._engine.connect() as connection:
            found = _fold(connection, _read_account(connection), None if chat_ids is None else list(chat_ids))
            groups = _list_groups(connection, [one.chat_id for one in found.values() if one.given is not None])
            for chat_id in groups:
                state = found[chat_id]
                state.missing = tuple(sorted(_list_members(connection, chat_id).keys() - state.agreed.keys()))
        return found

    def consented(self, chat_id: int, at: datetime | None = None) -> bool:
        """Tell whether a chat may be trained on, or a message of it that was sent at a time.

        Args:
            chat_id: The chat.
            at: When the message was sent; None asks about the chat as such.
        """
        return self.state(chat_id).covers(at)

    def members(self, chat_id: int) -> dict[int, str]:
        """Return the members of a group that the store knows of, by id: whoever wrote there, or was seen to join."""
        with self._engine.connect() as connection:
            return _list_members(connection, chat_id)

    def find_withdrawn(self, data: Mapping[str, Any]) -> list[int]:
        """Return the chats that a run or an adapter learned from, and whose consent does not stand any more.

        A group in which somebody new appeared is none of them: what was learned before has nothing of theirs.

        Args:
            data: Of a run's record, or of a manifest.

        Returns:
            Chat ids, ascending; chats that the ledger does not know are among them.
        """
        used = sorted({int(chat_id) for spans in _list_spans(data) for chat_id in spans})
        if not used:
            return []
        with self._engine.connect() as connection:
            found = _fold(connection, _read_account(connection), used)
            return [one for one in used if one not in found or _is_outdated(connection, found[one], data)]

    def erase_names(self, chat_id: int) -> None:
        """Take names and wordings of a chat out of the ledger, once its newest withdrawal says that it is forgotten."""
        named = consents.c.given_by.is_not(None) | consents.c.wording.is_not(None)
        newest = select(consents.c.id).where(consents.c.chat_id == chat_id, consents.c.reason == FORGOTTEN)
        with self._engine.begin() as connection:
            last = connection.execute(newest.order_by(consents.c.id.desc()).limit(1)).scalar_one_or_none()
            if last is not None:
                rows = update(consents).where(consents.c.chat_id == chat_id, consents.c.id < last, named)
                connection.execute(rows.values(given_by=None, wording=None))


def _read_account(connection: Connection) -> int | None:
    stored = connection.execute(select(facts.c.value).where(facts.c.key == OWNER_ID.name)).scalar_one_or_none()
    return None if stored is None else OWNER_ID.read(stored)


def _fold(connection: Connection, account_id: int | None, chat_ids: list[int] | None) -> dict[int, ConsentState]:
    """Return the states of chats for an account, without the members that are missing."""
    bound = select(consents.c.account_id).where(consents.c.action == Action.BOUND).limit(1)
    first = connection.execute(bound).scalar_one_or_none()
    query = select(consents).where(consents.c.chat_id.is_not(None)).order_by(consents.c.id)
    if chat_ids is not None:
        query = query.where(consents.c.chat_id.in_(chat_ids))
    found: dict[int, ConsentState] = {}
    for record in map(_record, connection.execute(query)):
        owner = record.account_id if record.account_id is not None else first
        if record.chat_id is not None and (owner == account_id or (record.account_id is None and first is None)):
            found.setdefault(record.chat_id, ConsentState(record.chat_id)).apply(record)
    return found


def _list_groups(connection: Connection, chat_ids: list[int]) -> list[int]:
    query = select(chats.c.id).where(chats.c.id.in_(chat_ids), chats.c.kind == ChatKind.GROUP)
    return list(connection.execute(query).scalars())


def _list_members(connection: Connection, chat_id: int) -> dict[int, str]:
    """Return ids and names of whoever wrote in a group or was seen there."""
    wrote = select(messages.c.sender_id, messages.c.sender_name).where(
        messages.c.chat_id == chat_id, messages.c.origin == Origin.CONTACT, messages.c.deleted_at.is_(None)
    )
    seen = select(members.c.sender_id, members.c.name).where(members.c.chat_id == chat_id)
    rows = connection.execute(wrote.distinct())
    found = {member_id(row.sender_id, row.sender_name): row.sender_name or "somebody" for row in rows}
    return found | {row.sender_id: row.name for row in connection.execute(seen)}


def _is_outdated(connection: Connection, state: ConsentState, data: Mapping[str, Any]) -> bool:
    """Tell whether what was learned from a chat is not covered any more."""
    if state.lapsed:
        return True
    since, read_at = state.since, data.get("names_at")
    if _is_forgotten_since(connection, state.chat_id, read_at):
        return True
    if since is None or state.given is None or (read_at and datetime.fromisoformat(read_at) >= state.given.at):
        return False  # data that was read under this consent has what it covers only
    spans = [part[str(state.chat_id)] for part in _list_spans(data) if str(state.chat_id) in part]
    before = select(messages.c.id).where(messages.c.chat_id == state.chat_id, messages.c.sent_at < since)
    ranges = [messages.c.id.between(span["first_id"], span["last_id"]) for span in spans]
    return any(connection.execute(before.where(one).limit(1)).first() is not None for one in ranges)


def _is_forgotten_since(connection: Connection, chat_id: int, read_at: str | None) -> bool:
    """Tell whether a chat was forgotten after data was read, even if a later consent covers what came then."""
    when = select(func.max(consents.c.at)).where(consents.c.chat_id == chat_id, consents.c.reason == FORGOTTEN)
    forgotten_at = connection.execute(when).scalar_one()
    return forgotten_at is not None and (read_at is None or datetime.fromisoformat(read_at) <= forgotten_at)


def _list_spans(data: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """Return the ranges of message ids by chat: of training, of what was held out, and of the adapters before."""
    return [data.get(TRAIN, {}).get("chats", {}), data.get(HELD_OUT, {}).get("chats", {}), data.get("known", {})]


def _repeat_in_chats(connection: Connection, chat_ids: Iterable[int], *, account_id: int | None = None) -> None:
    listed = list(chat_ids)
    account = _read_account(connection) if account_id is None else account_id
    found = _fold(connection, account, listed)
    for chat_id in listed:
        given = found[chat_id].given if chat_id in found else None
        values = {"consent_at": given.at if given else None, "consent_by": given.given_by if given else None}
        connection.execute(update(chats).where(chats.c.id == chat_id).values(**values))


def _record(row: Any) -> ConsentRecord:
    values = {name: getattr(row, name) for name in row._fields}
    listed = None if row.members is None else tuple(row.members)
    return ConsentRecord(**{**values, "action": Action(row.action), "members": listed})
