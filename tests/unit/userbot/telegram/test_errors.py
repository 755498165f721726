"""Telethon's errors as ours."""

from __future__ import annotations

import asyncio
from sqlite3 import OperationalError

import pytest
from telethon import errors

from userbot.domain.errors import (
    ConfigError,
    FloodError,
    OfflineError,
    SessionBusyError,
    SessionLostError,
    SpamLimitError,
    TelegramError,
)
from userbot.telegram.errors import translate, translated


@pytest.mark.parametrize(
    ("foreign", "kind", "text"),
    [
        (
            errors.FloodWaitError(None, capture=30),
            FloodError,
            "Telegram asks to wait 30 s before this program may send again.",
        ),
        (
            errors.PeerFloodError(None),
            SpamLimitError,
            (
                "Telegram takes this account for a spammer (PEER_FLOOD) and limits whom it may write to. Stop the "
                "clone (`clone pause`) and ask @SpamBot in Telegram when the limit ends."
            ),
        ),
        (
            errors.UserDeactivatedBanError(None),
            SessionLostError,
            "Telegram has banned this account. Log in again: clone login",
        ),
        (
            errors.AuthKeyDuplicatedError(None),
            SessionLostError,
            "This session was used from two places at once, and Telegram has ended it. Log in again: clone login",
        ),
        (
            errors.SessionRevokedError(None),
            SessionLostError,
            "This session was ended from another device. Log in again: clone login",
        ),
        (
            errors.ApiIdInvalidError(None),
            ConfigError,
            (
                "Telegram does not accept the api_id and api_hash. Copy your own from https://my.telegram.org/apps "
                "into CLONE_TELEGRAM__API_ID and CLONE_TELEGRAM__API_HASH."
            ),
        ),
        (
            errors.RpcCallFailError(None),
            OfflineError,
            "Telegram has problems and could not send (RpcCallFail). Try again later.",
        ),
        (errors.ChatWriteForbiddenError(None), TelegramError, "Telegram refused to send: ChatWriteForbidden."),
        (
            errors.RPCError(None, "NEW_KIND_OF_ERROR", 400),
            TelegramError,
            "Telegram refused to send: NEW_KIND_OF_ERROR.",
        ),
        (
            errors.TypeNotFoundError(0x1234ABCD, b"words of a message"),
            TelegramError,
            (
                "Telegram sent something that this version of Telethon does not know (1234abcd), so this program could "
                "not send. Upgrade it: pip install -U telethon"
            ),
        ),
        (
            OperationalError("database is locked"),
            SessionBusyError,
            "The session file can't be used (database is locked). Another program may have it open: stop that one.",
        ),
        (
            ConnectionResetError("reset"),
            OfflineError,
            (
                "No connection to Telegram: could not send (ConnectionResetError). "
                "Check the network, or CLONE_TELEGRAM__PROXY."
            ),
        ),
    ],
)
def test_each_error_says_what_to_do(foreign: Exception, kind: type[Exception], text: str) -> None:
    ours = translate(foreign, "send")
    assert type(ours) is kind
    assert str(ours) == text


def test_the_wait_is_kept() -> None:
    ours = translate(errors.SlowModeWaitError(None, capture=12), "send")
    assert isinstance(ours, FloodError)
    assert ours.wait_s == 12.0


def test_the_cause_is_kept_and_our_own_errors_pass() -> None:
    cause = errors.UserIsBlockedError(None)
    with pytest.raises(TelegramError) as caught, translated("send"):
        raise cause
    assert caught.value.__cause__ is cause
    own = OfflineError("unreachable")
    with pytest.raises(OfflineError) as passed, translated("send"):
        raise own
    assert passed.value is own
    assert own.__cause__ is None


async def test_a_request_that_telethon_cancels_means_offline() -> None:
    answer: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    answer.cancel()
    with (
        pytest.raises(OfflineError, match="The connection to Telegram closed before it could send"),
        translated("send"),
    ):
        await answer


async def test_a_cancelled_task_stays_cancelled() -> None:
    async def work() -> None:
        with translated("send"):
            await asyncio.Event().wait()

    task = asyncio.create_task(work())
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
