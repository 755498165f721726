"""Which function answers which request, and what it works with."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from telethon.errors import RPCError
from telethon.tl import functions, types

from userbot.loopback.mtproto.session import Authorization, Session
from userbot.loopback.world.actions import Actions
from userbot.loopback.world.delivery import Delivery
from userbot.loopback.world.logins import Logins
from userbot.loopback.world.state import User, World


@dataclass(frozen=True, slots=True)
class Services:
    """What all handlers share.

    Args:
        world: The server's state.
        actions: The verbs that change it.
        delivery: Pushes updates.
        logins: Logins in progress.
        host: Where the server listens.
        port: Its TCP port.
        dc_id: Number of the data centre that it plays.
    """

    world: World
    actions: Actions
    delivery: Delivery
    logins: Logins
    host: str
    port: int
    dc_id: int


@dataclass(frozen=True, slots=True)
class Call:
    """One request being carried out.

    Args:
        services: What all handlers share.
        session: The client's session.
    """

    services: Services
    session: Session

    @property
    def world(self) -> World:
        """The server's state."""
        return self.services.world

    @property
    def actions(self) -> Actions:
        """The verbs that change it."""
        return self.services.actions

    @property
    def authorization(self) -> Authorization:
        """Whose key the request came under."""
        return self.session.authorization

    @property
    def account(self) -> User:
        """Who is logged in.

        Raises:
            RPCError: The authorization's refusal, or AUTH_KEY_UNREGISTERED when nobody is logged in.
        """
        refuse(self.authorization)
        if self.authorization.user_id is None:
            raise RPCError(None, "AUTH_KEY_UNREGISTERED", 401)
        return self.world.user(self.authorization.user_id)


Handler = Callable[[Call, Any], Any]
_HANDLERS: dict[type, Handler] = {}
_KEY_UNUSABLE = 406
_PLAIN_WRAPPERS = (
    functions.InvokeWithLayerRequest,
    functions.InitConnectionRequest,
    functions.InvokeAfterMsgRequest,
    functions.InvokeAfterMsgsRequest,
)


def handles(*requests: Any) -> Callable[[Handler], Handler]:
    """Register a function as the answer to requests of these classes."""

    def register(handler: Handler) -> Handler:
        _HANDLERS.update(dict.fromkeys(requests, handler))
        return handler

    return register


def unwrap(call: Call, request: Any) -> Any:
    """Return the request inside its wrappers, and note what they say about the session.

    Raises:
        RPCError: TAKEOUT_INVALID for a takeout session that is not open.
    """
    wants_updates = True
    while True:
        if isinstance(request, functions.InvokeWithoutUpdatesRequest):
            wants_updates = False
        elif isinstance(request, functions.InvokeWithTakeoutRequest):
            if request.takeout_id != call.authorization.takeout_id:
                raise RPCError(None, "TAKEOUT_INVALID", 400)
        elif not isinstance(request, _PLAIN_WRAPPERS):
            break
        request = request.query
    call.session.receives_updates = wants_updates
    return request


def respond(call: Call, request: Any) -> Any:
    """Return the result of an unwrapped request, or the TL RpcError that refuses it."""
    handler = _HANDLERS.get(type(request))
    try:
        refuse(call.authorization, at_once=True)
        if handler is None:
            raise RPCError(None, f"INPUT_METHOD_INVALID_{type(request).CONSTRUCTOR_ID}", 400)
        return handler(call, request)
    except RPCError as exc:
        return types.RpcError(exc.code, exc.message)


def refuse(authorization: Authorization, *, at_once: bool = False) -> None:
    """Raise the error with which an authorization has ended, if it has.

    Args:
        authorization: Whose request it is.
        at_once: Refuse only a duplicated key (406), which can't be used for anything; a revoked session (401) may still
            make requests that need no login, such as a new login.

    Raises:
        RPCError: The refusal.
    """
    if authorization.refusal is None:
        return
    code, text = authorization.refusal
    if code == _KEY_UNUSABLE or not at_once:
        raise RPCError(None, text, code)
