"""Two-step verification: the server's half of Telegram's SRP.

Source: core.telegram.org/api/srp.
"""

from __future__ import annotations

import os
import secrets
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any

from telethon.errors import RPCError
from telethon.password import compute_hash
from telethon.tl import types

from userbot.loopback.mtproto.crypto import GENERATOR, PRIME, PRIME_BYTES

_GENERATOR_BYTES = GENERATOR.to_bytes(256, "big")
_MULTIPLIER = int.from_bytes(sha256(PRIME_BYTES + _GENERATOR_BYTES).digest(), "big")


@dataclass(slots=True)
class PasswordCheck:
    """One offer to prove the knowledge of a password, valid for one attempt.

    Args:
        password: The account's two-step password.
        srp_id: Number of the offer, which the proof names.

    Attributes:
        algorithm: The TL object with salts, generator and prime.
    """

    password: str
    srp_id: int
    algorithm: Any = field(init=False)
    _secret: int = field(init=False)
    _verifier: int = field(init=False)

    def __post_init__(self) -> None:
        kind = types.PasswordKdfAlgoSHA256SHA256PBKDF2HMACSHA512iter100000SHA256ModPow
        self.algorithm = kind(os.urandom(8), os.urandom(16), GENERATOR, PRIME_BYTES)
        self._secret = secrets.randbits(256)
        hashed = compute_hash(self.algorithm, self.password)
        self._verifier = pow(GENERATOR, int.from_bytes(hashed, "big"), PRIME)

    @property
    def public(self) -> bytes:
        """The server's public number, B."""
        number = (_MULTIPLIER * self._verifier + pow(GENERATOR, self._secret, PRIME)) % PRIME
        return number.to_bytes(256, "big")

    def verify(self, proof: Any) -> None:
        """Accept an InputCheckPasswordSRP.

        Raises:
            RPCError: PASSWORD_HASH_INVALID when the password is wrong, SRP_ID_INVALID when the offer is an older one.
        """
        if not isinstance(proof, types.InputCheckPasswordSRP) or proof.srp_id != self.srp_id:
            raise RPCError(None, "SRP_ID_INVALID", 400)
        theirs = int.from_bytes(proof.A, "big")
        if not 1 < theirs < PRIME - 1:
            raise RPCError(None, "SRP_A_INVALID", 400)
        their_bytes, ours = theirs.to_bytes(256, "big"), self.public
        scramble = int.from_bytes(sha256(their_bytes + ours).digest(), "big")
        shared = pow(theirs * pow(self._verifier, scramble, PRIME), self._secret, PRIME)
        parts = (sha256(PRIME_BYTES).digest(), sha256(_GENERATOR_BYTES).digest())
        mixed = bytes(a ^ b for a, b in zip(*parts, strict=True))
        salts = sha256(self.algorithm.salt1).digest() + sha256(self.algorithm.salt2).digest()
        key = sha256(shared.to_bytes(256, "big")).digest()
        if sha256(mixed + salts + their_bytes + ours + key).digest() != proof.M1:
            raise RPCError(None, "PASSWORD_HASH_INVALID", 400)
