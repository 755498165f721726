"""Logging in and out: code, password, QR code; two-step settings; takeout sessions."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from typing import Any

from telethon.errors import RPCError
from telethon.tl import functions, types

from userbot.loopback.handlers.registry import Call, handles
from userbot.loopback.world import render
from userbot.loopback.world.state import User

auth, account = functions.auth, functions.account


@handles(auth.SendCodeRequest, auth.ResendCodeRequest)
def send_code(call: Call, request: Any) -> Any:
    """Pretend to send the code to the app; a test reads it from the server."""
    code_hash = call.services.logins.send_code(request.phone_number)
    return types.auth.SentCode(types.auth.SentCodeTypeApp(len(call.services.logins.code)), code_hash)


@handles(auth.SignInRequest)
def sign_in(call: Call, request: Any) -> Any:
    """Log in by code; accounts with a password need it next."""
    user = call.services.logins.check_code(
        request.phone_number, code_hash=request.phone_code_hash, code=request.phone_code or ""
    )
    return _admit(call, user)


@handles(account.GetPasswordRequest)
def get_password(call: Call, _request: Any) -> Any:
    """Offer a password check to a client that is logged in, or has entered its code."""
    user_id = call.authorization.password_pending_for
    user = call.account if user_id is None else call.world.user(user_id)
    check = None if user.password is None else call.services.logins.offer_check(user)
    return types.account.Password(
        new_algo=types.PasswordKdfAlgoUnknown(),
        new_secure_algo=types.SecurePasswordKdfAlgoUnknown(),
        secure_random=os.urandom(32),
        has_password=check is not None,
        current_algo=check and check.algorithm,
        srp_B=check and check.public,
        srp_id=check and check.srp_id,
        hint=user.password_hint if check else None,
    )


@handles(auth.CheckPasswordRequest)
def check_password(call: Call, request: Any) -> Any:
    """Finish a login that waits for the password."""
    user_id = call.authorization.password_pending_for
    if user_id is None:
        raise RPCError(None, "AUTH_KEY_UNREGISTERED", 401)
    user = call.world.user(user_id)
    call.services.logins.check_password(user, request.password)
    return _log_in(call, user)


@handles(auth.ExportLoginTokenRequest)
def export_login_token(call: Call, _request: Any) -> Any:
    """Return a token to show as a QR code, or the login once somebody has accepted it."""
    user = call.services.logins.accepted(call.authorization)
    if user is not None:
        return types.auth.LoginTokenSuccess(_admit(call, user))
    token, expires = call.services.logins.export_token(call.authorization)
    return types.auth.LoginToken(datetime.fromtimestamp(expires, UTC), token)


@handles(auth.ImportLoginTokenRequest)
def import_login_token(call: Call, request: Any) -> Any:
    """Answer a client that comes with its token after a change of data centre."""
    if request.token != call.authorization.login_token:
        raise RPCError(None, "AUTH_TOKEN_INVALID", 400)
    return export_login_token(call, request)


@handles(auth.AcceptLoginTokenRequest)
def accept_login_token(call: Call, request: Any) -> Any:
    """Let a client that is logged in admit the one that shows the token."""
    admitted = call.services.logins.accept_token(request.token, call.account)
    announce_token(call.world.now(), admitted.sessions.values())
    now = call.world.now()
    return types.Authorization(0, "loopback", "", "", 1, "", "", now, now, "127.0.0.1", "", "")


@handles(auth.LogOutRequest)
def log_out(call: Call, _request: Any) -> Any:
    """Forget who is logged in by this key."""
    call.authorization.user_id = None
    call.authorization.login_token = None
    return types.auth.LoggedOut()


@handles(account.InitTakeoutSessionRequest)
def init_takeout(call: Call, _request: Any) -> Any:
    """Open a takeout session, which later requests name."""
    if call.account.bot:
        raise RPCError(None, "BOT_METHOD_INVALID", 400)
    call.authorization.takeout_id = call.world.long()
    return types.account.Takeout(call.authorization.takeout_id)


@handles(account.FinishTakeoutSessionRequest)
def finish_takeout(call: Call, _request: Any) -> Any:
    """Close the takeout session."""
    call.authorization.takeout_id = None
    return True


@handles(account.UpdateStatusRequest)
def update_status(call: Call, request: Any) -> Any:
    """Show the account as online or offline."""
    call.actions.appear(call.account, online=not request.offline)
    return True


def announce_token(now: datetime, sessions: Any) -> None:
    """Notify a client that shows a QR code that it was scanned.

    Args:
        now: The time that the update carries.
        sessions: The client's sessions.
    """
    for session in list(sessions):
        session.post(types.UpdateShort(types.UpdateLoginToken(), now), content=True)
        session.flush()


def _admit(call: Call, user: User) -> Any:
    if user.password is not None:
        call.authorization.password_pending_for = user.user_id
        raise RPCError(None, "SESSION_PASSWORD_NEEDED", 401)
    return _log_in(call, user)


def _log_in(call: Call, user: User) -> Any:
    call.authorization.password_pending_for = call.authorization.refusal = None
    call.authorization.user_id = user.user_id
    return types.auth.Authorization(render.user(user, user, call.world.now()))
