"""The exchange that gives a new client its authorization key.

Source: core.telegram.org/mtproto/auth_key.
"""

from __future__ import annotations

import os
import secrets
import time
from hashlib import sha1
from random import Random
from typing import Any

import rsa.prime
from telethon.crypto import AES
from telethon.extensions import BinaryReader
from telethon.tl import functions, types

from userbot.loopback.mtproto.crypto import GENERATOR, PRIME, PRIME_BYTES, AuthorizationKey, ServerKey, big_endian

# Real servers send two primes of about 31 bits. Telethon's factorisation fails when it finds both at the same step,
# which for short primes of similar size happens once in a few hundred times; with a short and a long one it is quick
# and never fails.
# The product must not fill its bytes: Telethon reads it as signed.
_FACTOR_BITS = (12, 31)
# Twice the strength of the 2048-bit group is enough, and several times quicker than an exponent of full length.
_SECRET_BITS = 256


class Handshake:
    """One key exchange, which each `req_pq` starts again.

    Args:
        server_key: The RSA key with which the client encrypts its secret.
        random: Source of the numbers that need not be secret.

    Attributes:
        key: The authorization key, once the exchange is done; None before.
        salt: The first server salt, once the exchange is done.
    """

    def __init__(self, server_key: ServerKey, random: Random) -> None:
        self.key: AuthorizationKey | None = None
        self.salt = 0
        self._server_key = server_key
        self._server_nonce = random.getrandbits(127)
        self._factors = [_prime(random, bits) for bits in _FACTOR_BITS]
        self._nonce = 0
        self._new_nonce = b""
        self._secret = secrets.randbits(_SECRET_BITS)

    def answer(self, request: Any) -> Any:
        """Return the TL object that answers one unencrypted request.

        Raises:
            ConnectionError: The request does not belong here, or its content is wrong.
        """
        match request:
            case functions.ReqPqMultiRequest() | functions.ReqPqRequest():
                return self._offer(request)
            case functions.ReqDHParamsRequest():
                return self._send_half(request)
            case functions.SetClientDHParamsRequest():
                return self._agree(request)
        raise ConnectionError(f"{type(request).__name__} has to be encrypted")

    def _offer(self, request: Any) -> Any:
        self._nonce = request.nonce
        product = self._factors[0] * self._factors[1]
        return types.ResPQ(self._nonce, self._server_nonce, big_endian(product), [self._server_key.fingerprint])

    def _send_half(self, request: Any) -> Any:
        self._check_nonces(request)
        plain = self._server_key.decrypt(request.encrypted_data)
        reader = BinaryReader(plain[20:])
        inner = reader.tgread_object()
        if sha1(plain[20 : 20 + reader.tell_position()]).digest() != plain[:20]:  # noqa: S324 # the protocol
            raise ConnectionError("bad handshake: the hash of the encrypted part differs")
        self._check_nonces(inner)
        if [int.from_bytes(inner.p, "big"), int.from_bytes(inner.q, "big")] != self._factors:
            raise ConnectionError("bad handshake: the factors are wrong")
        self._new_nonce = inner.new_nonce.to_bytes(32, "little", signed=True)
        half = pow(GENERATOR, self._secret, PRIME).to_bytes(256, "big")
        answer = types.ServerDHInnerData(
            self._nonce, self._server_nonce, GENERATOR, PRIME_BYTES, half, int(time.time())
        )
        return types.ServerDHParamsOk(self._nonce, self._server_nonce, self._encrypt(bytes(answer)))

    def _agree(self, request: Any) -> Any:
        self._check_nonces(request)
        plain = bytes(AES.decrypt_ige(request.encrypted_data, *self._temporary_key()))
        inner = BinaryReader(plain[20:]).tgread_object()
        self._check_nonces(inner)
        shared = pow(int.from_bytes(inner.g_b, "big"), self._secret, PRIME).to_bytes(256, "big")
        if not shared[0]:  # some clients, Telethon among them, drop leading zeros and would get another key
            return types.DhGenRetry(self._nonce, self._server_nonce, self._proof(b"\x02", AuthorizationKey(shared)))
        self.key = AuthorizationKey(shared)
        nonce = self._server_nonce.to_bytes(16, "little", signed=True)
        self.salt = int.from_bytes(self._new_nonce[:8], "little", signed=True) ^ int.from_bytes(
            nonce[:8], "little", signed=True
        )
        return types.DhGenOk(self._nonce, self._server_nonce, self._proof(b"\x01", self.key))

    def _proof(self, number: bytes, key: AuthorizationKey) -> int:
        digest = sha1(self._new_nonce + number + key.auxiliary_hash).digest()  # noqa: S324 # the protocol
        return int.from_bytes(digest[4:], "little", signed=True)

    def _encrypt(self, plain: bytes) -> bytes:
        hashed = sha1(plain).digest() + plain  # noqa: S324 # the protocol
        return bytes(AES.encrypt_ige(hashed + os.urandom(-len(hashed) % 16), *self._temporary_key()))

    def _temporary_key(self) -> tuple[bytes, bytes]:
        server_nonce = self._server_nonce.to_bytes(16, "little", signed=True)
        new, both, twice = (
            sha1(a + b).digest()  # noqa: S324 # the protocol
            for a, b in (
                (self._new_nonce, server_nonce),
                (server_nonce, self._new_nonce),
                (self._new_nonce, self._new_nonce),
            )
        )
        return new + both[:12], both[12:] + twice + self._new_nonce[:4]

    def _check_nonces(self, message: Any) -> None:
        if (message.nonce, message.server_nonce) != (self._nonce, self._server_nonce):
            raise ConnectionError(f"bad handshake: {type(message).__name__} carries other nonces")


def _prime(random: Random, bits: int) -> int:
    """Return a prime with exactly this many bits."""
    while True:
        candidate = random.getrandbits(bits) | 1 << (bits - 1) | 1
        if rsa.prime.is_prime(candidate):
            return candidate
