"""Live updates: which accounts are notified of what, on which sessions."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

from telethon.tl import types

from userbot.loopback.mtproto.session import Authorization, Session
from userbot.loopback.world import render
from userbot.loopback.world.state import CHANNEL_OFFSET, Event, EventKind, User, World


class Delivery:
    """Push updates to every connected session of an account, except the one that caused them.

    Args:
        world: The state to render updates from.
        authorizations: The server's live map of keys.
        changed: Called after each change, pushed or not.
    """

    def __init__(
        self, world: World, authorizations: dict[bytes, Authorization], *, changed: Callable[[], None]
    ) -> None:
        self._world = world
        self._authorizations = authorizations
        self._changed = changed

    def event(self, account: User, event: Event, origin: Session | None = None) -> None:
        """Push a numbered event to an account; its pts is counted already, so a lost push can be caught up with.

        Args:
            account: Who is notified.
            event: What happened in the account's box, or in a channel's.
            origin: The session that caused it, which gets no update.
        """
        self._changed()
        sessions = list(self._listening(account, origin))
        if self._misses(account) or not sessions:
            return
        update = render.update(self._world, event, account)
        if update is None:
            return
        box = self._world.box(account, event.chat_id)
        named = event.kind in (EventKind.NEW, EventKind.EDIT)
        stored = [box.messages[event.message_ids[0]]] if named else []
        named_chats = [] if event.kind is EventKind.DELETE and event.chat_id > CHANNEL_OFFSET else [event.chat_id]
        short = render.short_update(update) if self._world.short_updates else None
        wrapped = short or self._wrap(account, update, render.companions(self._world, account, stored, named_chats))
        for session in sessions:
            session.post(wrapped, content=True)
            session.flush()

    def update(
        self,
        account: User,
        update: Any,
        chat_ids: Iterable[int],
        *,
        origin: Session | None = None,
        sequenced: bool = False,
    ) -> None:
        """Push something without a pts, such as a draft, to an account.

        Args:
            account: Who is notified.
            update: The TL update.
            chat_ids: Users and chats that it names.
            origin: The session that caused it.
            sequenced: Number it in the session's `seq`, so that a client notices when it misses one.
        """
        self._changed()
        missed = self._misses(account)
        for session in self._listening(account, origin):
            session.authorization.seq += sequenced
            seq = session.authorization.seq if sequenced else 0
            if missed:
                continue
            companions = render.companions(self._world, account, [], chat_ids)
            session.post(self._wrap(account, update, companions, seq=seq), content=True)
            session.flush()

    def short(self, account: User, update: Any) -> None:
        """Push something that is not kept, such as typing, to an account."""
        self._changed()
        for session in self._listening(account, None):
            session.post(types.UpdateShort(update, self._world.now()), content=True)
            session.flush()

    def _wrap(self, account: User, update: Any, companions: dict[str, Any], *, seq: int = 0) -> Any:
        return types.Updates([update], date=self._world.now(), seq=seq, **companions)

    def _misses(self, account: User) -> bool:
        missed = account.missed_updates > 0
        account.missed_updates -= missed
        return missed

    def _listening(self, account: User, origin: Session | None) -> Iterator[Session]:
        for authorization in self._authorizations.values():
            if authorization.user_id != account.user_id or authorization.refusal is not None:
                continue
            for session in list(authorization.sessions.values()):
                if session.connected and session.receives_updates and session is not origin:
                    yield session
