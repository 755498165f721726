"""Keys and ciphers of MTProto 2.0, on the server's side."""

from __future__ import annotations

import math
import os
import secrets
import struct
from dataclasses import dataclass, field
from hashlib import sha1, sha256
from typing import Self

import rsa
import rsa.prime
from telethon.crypto import AES
from telethon.tl import TLObject

# The safe prime that Telegram itself uses, with generator 3. Telethon accepts this one at once for passwords; any other
# prime it tries to factorise, which never ends.
# Source: core.telegram.org/api/srp and core.telegram.org/mtproto/auth_key.
PRIME = int(
    "c71caeb9c6b1c9048e6c522f70f13f73980d40238e3e21c14934d037563d930f"
    "48198a0aa7c14058229493d22530f4dbfa336f6e0ac925139543aed44cce7c37"
    "20fd51f69458705ac68cd4fe6b6b13abdc9746512969328454f18faf8c595f64"
    "2477fe96bb2a941d5bcd1d4ac8cc49880708fa9b378e3c4f3a9060bee67cf9a4"
    "a4a695811051907e162753b56b0f6b410dba74d8a84b2a14b3144e0ef1284754"
    "fd17ed950d5965b4b9dd46582db1178d169c6bc465b0d6ff9ca3928fef5b9ae4"
    "e418fc15e83ebea0f87fa9ff5eed70050ded2849f47bf959d956850ce929851f"
    "0d8115f635b105ee2e4e15d04b2454bf6f4fadf034b10403119cd8e3b92fcc5b",
    16,
)
GENERATOR = 3
PRIME_BYTES = PRIME.to_bytes(256, "big")


@dataclass(frozen=True, slots=True)
class ServerKey:
    """The server's RSA key.

    Eight primes of 256 bits instead of two of 1024: generated in a tenth of a second instead of several seconds,
    which every test run would pay.
    """

    modulus: int
    exponent: int
    primes: tuple[int, ...] = field(repr=False)

    @classmethod
    def generate(cls) -> Self:
        """Return a fresh key with a modulus of exactly 2048 bits."""
        exponent = 65537
        while True:
            primes = {_prime() for _ in range(8)}
            coprime = all(math.gcd(exponent, prime - 1) == 1 for prime in primes)
            if len(primes) == 8 and coprime:
                return cls(math.prod(primes), exponent, tuple(primes))

    @property
    def public_pem(self) -> str:
        """The public half, as `telethon.crypto.rsa.add_key` takes it."""
        return str(rsa.PublicKey(self.modulus, self.exponent).save_pkcs1().decode())

    @property
    def fingerprint(self) -> int:
        """The lower 64 bits of the key's SHA-1, by which the client finds it."""
        halves = (big_endian(self.modulus), big_endian(self.exponent))
        digest = sha1(b"".join(TLObject.serialize_bytes(half) for half in halves)).digest()  # noqa: S324 # the protocol
        return int(struct.unpack("<q", digest[-8:])[0])

    def decrypt(self, block: bytes) -> bytes:
        """Return the 255 bytes that the client encrypted with the public key, computed prime by prime.

        Args:
            block: 256 bytes.
        """
        number, plain = int.from_bytes(block, "big"), 0
        for prime in self.primes:
            rest = self.modulus // prime
            residue = pow(number % prime, pow(self.exponent, -1, prime - 1), prime)
            plain += residue * rest * pow(rest, -1, prime)
        return (plain % self.modulus).to_bytes(256, "big")[1:]


@dataclass(frozen=True, slots=True)
class AuthorizationKey:
    """The 256 bytes that one client and the server share."""

    key: bytes

    @property
    def key_id(self) -> bytes:
        """The eight bytes by which packets name the key."""
        return sha1(self.key).digest()[-8:]  # noqa: S324 # the protocol

    @property
    def auxiliary_hash(self) -> bytes:
        """The eight bytes that are part of the proofs of the handshake."""
        return sha1(self.key).digest()[:8]  # noqa: S324 # the protocol

    def seal(self, plain: bytes) -> bytes:
        """Return plain text as an encrypted packet from the server."""
        padded = plain + os.urandom(12 + (-len(plain) - 12) % 16)
        message_key = sha256(self.key[96:128] + padded).digest()[8:24]
        return self.key_id + message_key + bytes(AES.encrypt_ige(padded, *self._derive(message_key, 8)))

    def open(self, packet: bytes) -> bytes:
        """Return the plain text, padding included, of a packet from the client.

        Raises:
            ConnectionError: The packet was changed, or another key made it.
        """
        message_key, body = packet[8:24], packet[24:]
        if not body or len(body) % 16:
            raise ConnectionError(f"bad packet: {len(body)} encrypted bytes")
        plain = bytes(AES.decrypt_ige(body, *self._derive(message_key, 0)))
        if sha256(self.key[88:120] + plain).digest()[8:24] != message_key:
            raise ConnectionError("bad packet: its message key does not fit its content")
        return plain

    def _derive(self, message_key: bytes, offset: int) -> tuple[bytes, bytes]:
        """Return AES key and initialisation vector; `offset` is 0 from the client, 8 from the server."""
        a = sha256(message_key + self.key[offset : offset + 36]).digest()
        b = sha256(self.key[offset + 40 : offset + 76] + message_key).digest()
        return a[:8] + b[8:24] + a[24:], b[:8] + a[8:24] + b[24:]


def _prime() -> int:
    """Return a prime of 256 bits whose first four are set, so that eight of them multiply to exactly 2048 bits."""
    while True:
        candidate = secrets.randbits(256) | 0xF << 252 | 1
        if rsa.prime.is_prime(candidate):
            return candidate


def big_endian(number: int) -> bytes:
    """Return a number's bytes without leading zeros."""
    return number.to_bytes((number.bit_length() + 7) // 8, "big")
