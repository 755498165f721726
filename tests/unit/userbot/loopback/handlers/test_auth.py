"""Logging in and out."""

from __future__ import annotations

import pytest
from loopback_bench import Bench, Device
from telethon.password import compute_check
from telethon.tl import functions, types

auth, account = functions.auth, functions.account
PHONE = "+10000000001"


@pytest.fixture
def client(bench: Bench) -> Device:
    return Device(bench, None)


def enter_code(client: Device, code: str = "12345") -> object:
    sent = client.call(auth.SendCodeRequest(PHONE, 1, "hash", types.CodeSettings()))
    return client.call(auth.SignInRequest(PHONE, sent.phone_code_hash, phone_code=code))


def test_the_code_logs_in_by_this_key(bench: Bench, client: Device) -> None:
    assert isinstance(enter_code(client), types.auth.Authorization)
    assert client.authorization.user_id == bench.owner.user_id
    client.call(auth.LogOutRequest())
    assert client.authorization.user_id is None


def test_a_login_makes_a_refused_key_valid_again(client: Device) -> None:
    client.authorization.refusal = (401, "SESSION_REVOKED")
    assert isinstance(enter_code(client), types.auth.Authorization)
    assert client.authorization.refusal is None


def test_an_account_with_a_password_needs_it_next(bench: Bench, client: Device) -> None:
    bench.owner.password = "correct horse"
    error = enter_code(client)
    assert isinstance(error, types.RpcError)
    assert error.error_message == "SESSION_PASSWORD_NEEDED"
    assert client.authorization.user_id is None
    offer = client.call(account.GetPasswordRequest())
    answer = client.call(auth.CheckPasswordRequest(compute_check(offer, "correct horse")))
    assert isinstance(answer, types.auth.Authorization)
    assert client.authorization.user_id == bench.owner.user_id


def test_a_password_alone_logs_nobody_in(client: Device) -> None:
    answer = client.call(auth.CheckPasswordRequest(types.InputCheckPasswordEmpty()))
    assert answer.error_message == "AUTH_KEY_UNREGISTERED"


def test_an_account_without_a_password_says_so(phone: Device) -> None:
    assert not phone.call(account.GetPasswordRequest()).has_password


def test_a_qr_code_that_was_scanned_logs_in(bench: Bench, client: Device, phone: Device) -> None:
    shown = client.call(auth.ExportLoginTokenRequest(1, "hash", []))
    assert isinstance(shown, types.auth.LoginToken)
    assert isinstance(phone.call(auth.AcceptLoginTokenRequest(shown.token)), types.Authorization)
    assert client.updates(types.UpdateLoginToken)
    assert isinstance(client.call(auth.ImportLoginTokenRequest(shown.token)), types.auth.LoginTokenSuccess)
    assert client.authorization.user_id == bench.owner.user_id
    assert client.call(auth.ImportLoginTokenRequest(b"another")).error_message == "AUTH_TOKEN_INVALID"


def test_a_takeout_session_is_opened_and_closed(phone: Device) -> None:
    opened = phone.call(account.InitTakeoutSessionRequest())
    assert phone.authorization.takeout_id == opened.id
    assert phone.call(account.FinishTakeoutSessionRequest()) is True
    assert phone.authorization.takeout_id is None


def test_bots_get_no_takeout_session(bench: Bench) -> None:
    bot = Device(bench, bench.add_user("Helper", bot=True))
    assert bot.call(account.InitTakeoutSessionRequest()).error_message == "BOT_METHOD_INVALID"


def test_the_online_status_is_set(bench: Bench, phone: Device) -> None:
    phone.call(account.UpdateStatusRequest(offline=False))
    assert bench.owner.online_until is not None
    phone.call(account.UpdateStatusRequest(offline=True))
    assert bench.owner.online_until is None
