"""Fault injection: what a test tells the loopback server to do wrong."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

from userbot.loopback.mtproto.session import Authorization
from userbot.loopback.world.state import User, World


@dataclass(slots=True)
class Fault:
    """One fault that affects the next calls of a method.

    Args:
        method: Telegram's name of the method; `*` for any.
        calls: How many calls it affects.
        user_id: Whose calls; None for everybody's.
        error: Code and text of the RPC error that answers them.
        drop: When the connection closes instead of an answer: before or after the request is carried out.
        delay_s: Seconds by which the answer is late.
    """

    method: str
    calls: int
    user_id: int | None = None
    error: tuple[int, str] | None = None
    drop: Literal["before", "after"] | None = None
    delay_s: float = 0.0


class Faults:
    """Queue faults; of several that fit a call, the oldest is used.

    Methods are named as in Telegram's documentation, such as `messages.sendMessage`; `*` is any method. With `user`,
    only calls of that account's clients are affected.

    Args:
        world: The state, for faults of accounts.
        authorizations: The server's live map of keys.
        disconnect: Closes the connections of one account.
    """

    def __init__(
        self, world: World, authorizations: dict[bytes, Authorization], *, disconnect: Callable[[User], None]
    ) -> None:
        self._world = world
        self._authorizations = authorizations
        self._disconnect = disconnect
        self._pending: list[Fault] = []

    def error(self, method: str, text: str, *, code: int = 400, calls: int = 1, user: User | None = None) -> None:
        """Answer with an RPC error; the request is not carried out."""
        self._add(Fault(method, calls, error=(code, text)), user)

    def flood_wait(self, method: str, seconds: int, *, calls: int = 1, user: User | None = None) -> None:
        """Refuse with FLOOD_WAIT. Telethon itself sleeps up to its `flood_sleep_threshold`, 60 s."""
        self.error(method, f"FLOOD_WAIT_{seconds}", code=420, calls=calls, user=user)

    def server_error(self, method: str, *, calls: int = 1, user: User | None = None) -> None:
        """Fail with error 500. Telethon tries again, 2 s later, five times at most."""
        self.error(method, "RPC_CALL_FAIL", code=500, calls=calls, user=user)

    def peer_flood(self, method: str = "messages.sendMessage", *, calls: int = 1, user: User | None = None) -> None:
        """Refuse as Telegram refuses accounts that it considers spammers."""
        self.error(method, "PEER_FLOOD", calls=calls, user=user)

    def drop(self, method: str, when: Literal["before", "after"], *, calls: int = 1, user: User | None = None) -> None:
        """Close the connection instead of answering, before or after the request is carried out."""
        self._add(Fault(method, calls, drop=when), user)

    def delay(self, method: str, seconds: float, *, calls: int = 1, user: User | None = None) -> None:
        """Carry the request out at once, and answer later."""
        self._add(Fault(method, calls, delay_s=seconds), user)

    def duplicate_random_id(self, *, calls: int = 1) -> None:
        """Fail the next repeated sends with RANDOM_ID_DUPLICATE, as when both arrive at once."""
        self._world.duplicate_failures += calls

    def disconnect(self, user: User) -> None:
        """Close the account's connections; its clients may come back at once."""
        self._disconnect(user)

    def revoke(self, user: User, *, error: str = "SESSION_REVOKED", disconnect: bool = False) -> None:
        """End the account's sessions, as the owner can do from another device.

        Args:
            user: Whose sessions.
            error: What every later request gets: SESSION_REVOKED or AUTH_KEY_UNREGISTERED.
            disconnect: Close the connections as well, instead of waiting for the next request.
        """
        self._refuse(user, (401, error), disconnect)

    def ban(self, user: User, *, disconnect: bool = False) -> None:
        """Answer all the account's sessions with USER_DEACTIVATED_BAN."""
        self._refuse(user, (401, "USER_DEACTIVATED_BAN"), disconnect)

    def duplicate_key(self, user: User, *, disconnect: bool = False) -> None:
        """Answer all the account's sessions with AUTH_KEY_DUPLICATED, as when a session file is used twice."""
        self._refuse(user, (406, "AUTH_KEY_DUPLICATED"), disconnect)

    def forget_keys(self, user: User) -> None:
        """Forget the account's authorization keys: reconnecting clients get the transport error 404."""
        for key_id, authorization in list(self._authorizations.items()):
            if authorization.user_id == user.user_id:
                del self._authorizations[key_id]
        self._disconnect(user)

    def change_salts(self, user: User) -> None:
        """Give the account's keys new salts, so that the next packet is answered with bad_server_salt."""
        for authorization in self._authorizations.values():
            if authorization.user_id == user.user_id:
                authorization.salt = self._world.long()

    def difference_too_long(self, user: User, *, times: int = 1) -> None:
        """Answer the next calls of updates.getDifference that would return something with differenceTooLong."""
        user.too_long_differences += times

    def miss_updates(self, user: User, *, count: int = 1) -> None:
        """Don't push the account's next updates, although its state changes."""
        user.missed_updates += count

    def clear(self) -> None:
        """Forget all faults that have not happened yet."""
        self._pending.clear()

    def pending(self) -> list[Fault]:
        """Return the faults that have not happened yet."""
        return list(self._pending)

    def take(self, method: str, user_id: int | None) -> Fault | None:
        """Return the fault that affects this call, if any, and count it."""
        for fault in self._pending:
            if fault.method in ("*", method) and fault.user_id in (None, user_id):
                fault.calls -= 1
                if not fault.calls:
                    self._pending.remove(fault)
                return fault
        return None

    def _refuse(self, user: User, refusal: tuple[int, str], disconnect: bool) -> None:
        for authorization in self._authorizations.values():
            if authorization.user_id == user.user_id:
                authorization.refusal = refusal
        if disconnect:
            self._disconnect(user)

    def _add(self, fault: Fault, user: User | None) -> None:
        fault.user_id = None if user is None else user.user_id
        self._pending.append(fault)


def method_of(request: Any) -> str:
    """Return a request's name as Telegram's documentation writes it, such as `messages.sendMessage`."""
    kind = type(request)
    space = kind.__module__.rsplit(".", 1)[-1]
    name = kind.__name__.removesuffix("Request")
    name = name[0].lower() + name[1:]
    return name if space == "functions" else f"{space}.{name}"
