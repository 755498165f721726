"""The one place that maps Telethon's errors to ours.

::

    flood waits, slow mode, takeout delay           -> FloodError, with the seconds
    revoked, expired, banned, key used twice        -> SessionLostError
    taken for a spammer                             -> SpamLimitError
    no network, time-out, Telegram's own failures   -> OfflineError: the same call may work later
    wrong api id or hash                            -> ConfigError
    session file locked by another program          -> SessionBusyError
    everything else that Telegram refuses           -> TelegramError, with Telegram's name for the reason
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from telethon import errors

from userbot.domain.errors import (
    CloneError,
    ConfigError,
    FloodError,
    OfflineError,
    SessionBusyError,
    SessionLostError,
    SpamLimitError,
    TelegramError,
)
from userbot.store.connection import BUSY_ERRORS

_LOST_REASONS: tuple[tuple[Any, str], ...] = (
    (errors.UserDeactivatedBanError, "Telegram has banned this account"),
    (errors.UserDeactivatedError, "This account was deleted"),
    (errors.AuthKeyDuplicatedError, "This session was used from two places at once, and Telegram has ended it"),
    (errors.SessionRevokedError, "This session was ended from another device"),
    (errors.SessionExpiredError, "This session has expired"),
    (errors.AuthKeyUnregisteredError, "Telegram no longer knows this session"),
)
# Of the errors with code 406 only this one ends a session; Telegram uses the code for much else.
_LOST: tuple[Any, ...] = (errors.UnauthorizedError, errors.AuthKeyDuplicatedError, errors.AuthKeyNotFound)
_WAITS: tuple[Any, ...] = (
    errors.FloodWaitError,
    errors.FloodPremiumWaitError,
    errors.FloodTestPhoneWaitError,
    errors.SlowModeWaitError,
    errors.TakeoutInitDelayError,
)
_UNAVAILABLE: tuple[Any, ...] = (errors.ServerError, errors.TimedOutError)
_BROKEN: tuple[Any, ...] = (OSError, EOFError, asyncio.TimeoutError, errors.SecurityError, BufferError)
_FOREIGN: tuple[Any, ...] = (
    errors.RPCError,
    errors.AuthKeyNotFound,
    errors.TypeNotFoundError,
    *BUSY_ERRORS,
    *_BROKEN,
)


def is_loss(exc: BaseException) -> bool:
    """Tell whether an error of Telethon's means that the session can't be used any more."""
    return isinstance(exc, _LOST) and not isinstance(exc, errors.SessionPasswordNeededError)


def translate(exc: BaseException, doing: str) -> CloneError:
    """Return our error for one of Telethon's.

    Args:
        exc: What Telethon raised.
        doing: What was tried, such as "send a message to chat 5"; without names or texts.
    """
    if isinstance(exc, _WAITS):
        wait_s = float(exc.seconds)
        text = f"Telegram asks to wait {wait_s:.0f} s before this program may {doing} again."
        return FloodError(text, wait_s, one_chat=isinstance(exc, errors.SlowModeWaitError))
    if is_loss(exc):
        return SessionLostError(f"{_name_loss(exc)}. Log in again: clone login")
    if isinstance(exc, errors.PeerFloodError):
        return SpamLimitError(
            "Telegram takes this account for a spammer (PEER_FLOOD) and limits whom it may write to. Stop the clone "
            "(`clone pause`) and ask @SpamBot in Telegram when the limit ends."
        )
    if isinstance(exc, (errors.ApiIdInvalidError, errors.ApiIdPublishedFloodError)):
        return ConfigError(
            "Telegram does not accept the api_id and api_hash. Copy your own from https://my.telegram.org/apps into "
            "CLONE_TELEGRAM__API_ID and CLONE_TELEGRAM__API_HASH."
        )
    if isinstance(exc, _UNAVAILABLE):
        return OfflineError(f"Telegram has problems and could not {doing} ({_reason(exc)}). Try again later.")
    if isinstance(exc, BUSY_ERRORS):
        return SessionBusyError(
            f"The session file can't be used ({exc}). Another program may have it open: stop that one."
        )
    if isinstance(exc, errors.TypeNotFoundError):
        return TelegramError(
            f"Telegram sent something that this version of Telethon does not know ({exc.invalid_constructor_id:08x}), "
            f"so this program could not {doing}. Upgrade it: pip install -U telethon"
        )
    if isinstance(exc, errors.RPCError):
        return TelegramError(f"Telegram refused to {doing}: {_reason(exc)}.")
    return OfflineError(
        f"No connection to Telegram: could not {doing} ({type(exc).__name__}). "
        f"Check the network, or CLONE_TELEGRAM__PROXY."
    )


@contextmanager
def translated(doing: str) -> Iterator[None]:
    """Turn what Telethon raises inside the block into our errors.

    Telethon cancels pending requests when a connection closes; their callers get an OfflineError, while a real
    cancellation of the task passes through.

    Args:
        doing: What the block tries, such as "send a message to chat 5"; without names or texts.

    Raises:
        CloneError: One of our errors in place of Telethon's, as the table above says.
    """
    try:
        yield
    except CloneError:
        raise
    except asyncio.CancelledError as exc:
        task = asyncio.current_task()
        if task is None or task.cancelling():
            raise
        text = f"The connection to Telegram closed before it could {doing}. The request will be retried."
        raise OfflineError(text) from exc
    except _FOREIGN as exc:
        raise translate(exc, doing) from exc


def _name_loss(exc: BaseException) -> str:
    for kind, text in _LOST_REASONS:
        if isinstance(exc, kind):
            return text
    return f"Telegram does not accept this session ({_reason(exc)})"


def _reason(exc: BaseException) -> str:
    # Errors that Telethon knows are classes named after Telegram's code; the others carry the code as their message.
    name = type(exc).__name__
    if type(exc).__module__.endswith("rpcerrorlist"):
        return name.removesuffix("Error")
    return str(getattr(exc, "message", None) or name)
