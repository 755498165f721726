"""Logins in progress: codes sent to phones, tokens shown as QR codes, passwords requested."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass, field

from telethon.errors import RPCError

from userbot.loopback.mtproto.password import PasswordCheck
from userbot.loopback.mtproto.session import Authorization
from userbot.loopback.world.state import User, World

QR_LIFETIME_S = 30


@dataclass(slots=True)
class Logins:
    """What the server has offered to clients that are not logged in yet. Each method raises RPCError as Telegram would.

    Args:
        world: The accounts.
        code: The login code of every account; a test may change it.
    """

    world: World
    code: str = "12345"
    _phones: dict[str, str] = field(default_factory=dict)
    _tokens: dict[bytes, tuple[Authorization, float]] = field(default_factory=dict)
    _accepted: dict[bytes, User] = field(default_factory=dict)
    _checks: dict[int, PasswordCheck] = field(default_factory=dict)

    def send_code(self, phone: str) -> str:
        """Note a login by phone and return the hash that has to come back with the code."""
        digits = _digits(phone)
        if not digits:
            raise RPCError(None, "PHONE_NUMBER_INVALID", 400)
        code_hash = f"{self.world.long():016x}"
        self._phones[code_hash] = digits
        return code_hash

    def check_code(self, phone: str, *, code_hash: str, code: str) -> User:
        """Return the account of a phone whose code is right."""
        if self._phones.get(code_hash) != _digits(phone):
            raise RPCError(None, "PHONE_CODE_EXPIRED", 400)
        if not code:
            raise RPCError(None, "PHONE_CODE_EMPTY", 400)
        if code != self.code:
            raise RPCError(None, "PHONE_CODE_INVALID", 400)
        for user in self.world.users.values():
            if user.phone is not None and _digits(user.phone) == _digits(phone):
                return user
        raise RPCError(None, "PHONE_NUMBER_UNOCCUPIED", 400)

    def export_token(self, authorization: Authorization) -> tuple[bytes, float]:
        """Return a token for a QR code, and the wall-clock time in seconds at which it expires."""
        token = authorization.login_token
        now = time.time()
        if token is None or self._tokens[token][1] <= now:
            token = authorization.login_token = os.urandom(16)
            self._tokens[token] = (authorization, now + QR_LIFETIME_S)
        return token, self._tokens[token][1]

    def accept_token(self, token: bytes, user: User) -> Authorization:
        """Let `user` admit the client that shows a token; return that client's authorization."""
        if token not in self._tokens or token in self._accepted:
            raise RPCError(None, "AUTH_TOKEN_INVALID", 400)
        authorization, expires = self._tokens[token]
        if expires <= time.time():
            raise RPCError(None, "AUTH_TOKEN_EXPIRED", 400)
        self._accepted[token] = user
        return authorization

    def accepted(self, authorization: Authorization) -> User | None:
        """Return who has scanned the code that an authorization shows."""
        return self._accepted.get(authorization.login_token or b"")

    def offer_check(self, user: User) -> PasswordCheck:
        """Return a new password check for an account that has a password."""
        check = PasswordCheck(user.password or "", self.world.long())
        self._checks[user.user_id] = check
        return check

    def check_password(self, user: User, proof: object) -> None:
        """Verify a password proof; each offer is valid for one attempt."""
        check = self._checks.pop(user.user_id, None)
        if check is None:
            raise RPCError(None, "SRP_ID_INVALID", 400)
        check.verify(proof)


def _digits(phone: str) -> str:
    return "".join(filter(str.isdigit, phone))
