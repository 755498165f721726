"""Two-step passwords, proved by Telethon's own code."""

from __future__ import annotations

from typing import Any

import pytest
from telethon.errors import RPCError
from telethon.password import compute_check
from telethon.tl import types

from userbot.loopback.mtproto.password import PasswordCheck


def prove(check: PasswordCheck, password: str) -> Any:
    offer = types.account.Password(
        new_algo=None, new_secure_algo=None, secure_random=b"", current_algo=check.algorithm,
        srp_B=check.public, srp_id=check.srp_id,
    )  # fmt: skip
    return compute_check(offer, password)


def test_the_right_password_is_accepted_and_a_wrong_one_is_not() -> None:
    check = PasswordCheck("correct horse", 5)
    check.verify(prove(check, "correct horse"))
    with pytest.raises(RPCError, match="PASSWORD_HASH_INVALID"):
        check.verify(prove(check, "wrong horse"))


def test_a_proof_for_another_offer_is_refused() -> None:
    check = PasswordCheck("correct horse", 5)
    proof = prove(check, "correct horse")
    with pytest.raises(RPCError, match="SRP_ID_INVALID"):
        check.verify(types.InputCheckPasswordSRP(6, proof.A, proof.M1))
    with pytest.raises(RPCError, match="SRP_A_INVALID"):
        check.verify(types.InputCheckPasswordSRP(5, bytes(256), proof.M1))
    with pytest.raises(RPCError, match="SRP_ID_INVALID"):
        check.verify(types.InputCheckPasswordEmpty())
