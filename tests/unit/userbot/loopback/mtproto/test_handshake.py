"""The key exchange, with Telethon's own client side."""

from __future__ import annotations

from functools import cache
from random import Random
from typing import Any

import pytest
from telethon.crypto import rsa
from telethon.errors import TypeNotFoundError
from telethon.network import authenticator
from telethon.tl import functions, types

from userbot.loopback.mtproto.crypto import ServerKey
from userbot.loopback.mtproto.handshake import Handshake


@cache
def server_key() -> ServerKey:
    key = ServerKey.generate()
    rsa.add_key(key.public_pem, old=False)
    return key


class PlainSender:
    """Carries a client's unencrypted requests to a handshake; `change` may alter them on the way."""

    def __init__(self, handshake: Handshake, change: Any = None) -> None:
        self.handshake = handshake
        self.change = change

    async def send(self, request: Any) -> Any:
        if self.change is not None:
            self.change(request)
        return self.handshake.answer(request)


@pytest.mark.parametrize("seed", range(5))
async def test_both_sides_get_the_same_key(seed: int) -> None:
    handshake = Handshake(server_key(), Random(seed))  # noqa: S311 # repeatable numbers
    key, _ = await authenticator.do_authentication(PlainSender(handshake))
    assert handshake.key is not None
    assert handshake.key.key == key.key
    assert handshake.salt != 0


async def test_request_that_belongs_to_another_exchange_is_refused() -> None:
    def change(request: Any) -> None:
        if isinstance(request, functions.ReqDHParamsRequest):
            request.server_nonce += 1

    handshake = Handshake(server_key(), Random(1))  # noqa: S311 # repeatable numbers
    with pytest.raises(ConnectionError, match="carries other nonces"):
        await authenticator.do_authentication(PlainSender(handshake, change))
    assert handshake.key is None


async def test_secret_that_was_changed_is_refused() -> None:
    def change(request: Any) -> None:
        if isinstance(request, functions.ReqDHParamsRequest):
            request.encrypted_data = bytes(256)

    with pytest.raises(TypeNotFoundError):
        await authenticator.do_authentication(
            PlainSender(Handshake(server_key(), Random(1)), change)  # noqa: S311 # repeatable numbers
        )


def test_other_requests_have_to_be_encrypted() -> None:
    handshake = Handshake(server_key(), Random(1))  # noqa: S311 # repeatable numbers
    with pytest.raises(ConnectionError, match="GetNearestDcRequest has to be encrypted"):
        handshake.answer(functions.help.GetNearestDcRequest())
    offer = handshake.answer(functions.ReqPqMultiRequest(5))
    assert isinstance(offer, types.ResPQ)
    assert (offer.nonce, offer.server_public_key_fingerprints) == (5, [server_key().fingerprint])
