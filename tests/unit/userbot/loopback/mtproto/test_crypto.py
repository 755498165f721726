"""Keys and ciphers, against Telethon's side of the same."""

from __future__ import annotations

import os

import pytest
import rsa
from loopback_bench import Loggers
from telethon.crypto import AuthKey
from telethon.network.mtprotostate import MTProtoState

from userbot.loopback.mtproto.crypto import AuthorizationKey, ServerKey, big_endian


def test_server_key_has_2048_bits_and_decrypts_what_its_public_half_encrypted() -> None:
    key = ServerKey.generate()
    assert key.modulus.bit_length() == 2048
    secret = os.urandom(255)
    public = rsa.PublicKey.load_pkcs1(key.public_pem.encode())
    block = pow(int.from_bytes(secret, "big"), public.e, public.n).to_bytes(256, "big")
    assert key.decrypt(block) == secret
    assert str(key.primes[0]) not in repr(key)


def test_packets_of_both_sides_open_with_telethons_own_code() -> None:
    key = AuthorizationKey(os.urandom(256))
    client = MTProtoState(AuthKey(key.key), Loggers())
    assert int.from_bytes(key.key_id, "little") == client.auth_key.key_id
    assert int.from_bytes(key.auxiliary_hash, "little") == client.auth_key.aux_hash
    packet = client.encrypt_message_data(b"question")
    assert key.open(packet)[16:24] == b"question"
    assert len(key.seal(b"answer")) % 16 == 8


@pytest.mark.parametrize("change", ["body", "key", "length"])
def test_packet_that_was_changed_is_refused(change: str) -> None:
    key, other = AuthorizationKey(os.urandom(256)), AuthorizationKey(os.urandom(256))
    packet = MTProtoState(AuthKey(key.key), Loggers()).encrypt_message_data(b"question")
    changed = {"body": packet[:-1] + bytes([packet[-1] ^ 1]), "key": packet, "length": packet[:-1]}[change]
    with pytest.raises(ConnectionError):
        (other if change == "key" else key).open(changed)


def test_numbers_are_written_without_leading_zeros() -> None:
    assert big_endian(1) == b"\x01"
    assert big_endian(256) == b"\x01\x00"
