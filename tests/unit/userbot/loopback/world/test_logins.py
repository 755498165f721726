"""Logins in progress: codes, tokens and password offers."""

from __future__ import annotations

import time

import pytest
from loopback_bench import Bench, Device
from telethon.errors import RPCError
from telethon.tl import types

from userbot.loopback.world import logins as module


def test_the_code_of_a_phone_admits_its_account(bench: Bench) -> None:
    code_hash = bench.logins.send_code("+1 000 000 0001")
    assert bench.logins.check_code("+10000000001", code_hash=code_hash, code="12345") is bench.owner


@pytest.mark.parametrize(
    ("phone", "code", "known_hash", "error"),
    [
        ("+10000000001", "12345", False, "PHONE_CODE_EXPIRED"),
        ("+10000000002", "12345", True, "PHONE_CODE_EXPIRED"),
        ("+10000000001", "", True, "PHONE_CODE_EMPTY"),
        ("+10000000001", "54321", True, "PHONE_CODE_INVALID"),
    ],
)
def test_a_login_that_is_not_right_is_refused(
    bench: Bench, phone: str, code: str, known_hash: bool, error: str
) -> None:
    code_hash = bench.logins.send_code("+10000000001") if known_hash else "0" * 16
    with pytest.raises(RPCError, match=error):
        bench.logins.check_code(phone, code_hash=code_hash, code=code)


def test_phones_without_digits_or_account_are_refused(bench: Bench) -> None:
    with pytest.raises(RPCError, match="PHONE_NUMBER_INVALID"):
        bench.logins.send_code("abc")
    code_hash = bench.logins.send_code("+19")
    with pytest.raises(RPCError, match="PHONE_NUMBER_UNOCCUPIED"):
        bench.logins.check_code("+19", code_hash=code_hash, code="12345")


def test_a_token_is_accepted_once(bench: Bench) -> None:
    client = Device(bench, None)
    token, _ = bench.logins.export_token(client.authorization)
    assert bench.logins.export_token(client.authorization)[0] == token
    assert bench.logins.accepted(client.authorization) is None
    assert bench.logins.accept_token(token, bench.owner) is client.authorization
    assert bench.logins.accepted(client.authorization) is bench.owner
    with pytest.raises(RPCError, match="AUTH_TOKEN_INVALID"):
        bench.logins.accept_token(token, bench.owner)


def test_a_token_expires_and_is_replaced(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    client = Device(bench, None)
    monkeypatch.setattr(module, "QR_LIFETIME_S", 0)
    token, expires = bench.logins.export_token(client.authorization)
    assert expires <= time.time()
    with pytest.raises(RPCError, match="AUTH_TOKEN_EXPIRED"):
        bench.logins.accept_token(token, bench.owner)
    assert bench.logins.export_token(client.authorization)[0] != token


def test_a_password_offer_is_valid_for_one_attempt(bench: Bench) -> None:
    bench.owner.password = "correct horse"
    check = bench.logins.offer_check(bench.owner)
    proof = types.InputCheckPasswordSRP(check.srp_id, b"\x02" * 256, b"x")
    with pytest.raises(RPCError, match="PASSWORD_HASH_INVALID"):
        bench.logins.check_password(bench.owner, proof)
    with pytest.raises(RPCError, match="SRP_ID_INVALID"):
        bench.logins.check_password(bench.owner, proof)
