"""Framing of MTProto packets over TCP, on the server's side: full, abridged and intermediate.

Source: core.telegram.org/mtproto/mtproto-transports.
"""

from __future__ import annotations

import asyncio
import struct
from typing import Protocol
from zlib import crc32

MAX_PACKET_BYTES = 16 * 1024 * 1024
_ABRIDGED_TAG = b"\xef"
_INTERMEDIATE_TAG = b"\xee" * 4
_LONG_ABRIDGED = 0x7F


class Framing(Protocol):
    """Turn a stream of bytes into packets and back."""

    async def read(self, reader: asyncio.StreamReader) -> bytes:
        """Return the next packet.

        Args:
            reader: The connection, at the beginning of a frame.

        Raises:
            ConnectionError: The frame is damaged, or too long.
            IncompleteReadError: The connection ended.
        """

    def frame(self, packet: bytes) -> bytes:
        """Return a packet as it is written to the connection."""


class FullFraming:
    """Length, sequence number, packet, CRC-32: Telethon's default.

    Args:
        head: The four bytes that were already read to recognise the framing.
    """

    def __init__(self, head: bytes = b"") -> None:
        self._head = head
        self._received = 0
        self._sent = 0

    async def read(self, reader: asyncio.StreamReader) -> bytes:
        """Return the next packet; see `Framing.read`."""
        head = self._head + await reader.readexactly(8 - len(self._head))
        self._head = b""
        length, sequence = struct.unpack("<ii", head)
        if not 12 <= length <= MAX_PACKET_BYTES or sequence != self._received:
            raise ConnectionError(f"bad full frame: length {length}, sequence {sequence}, expected {self._received}")
        rest = await reader.readexactly(length - 8)
        packet, checksum = rest[:-4], struct.unpack("<I", rest[-4:])[0]
        if crc32(head + packet) != checksum:
            raise ConnectionError(f"bad full frame: checksum of packet {sequence} differs")
        self._received += 1
        return packet

    def frame(self, packet: bytes) -> bytes:
        """Return a packet with its frame; see `Framing.frame`."""
        framed = struct.pack("<ii", len(packet) + 12, self._sent) + packet
        self._sent += 1
        return framed + struct.pack("<I", crc32(framed))


class AbridgedFraming:
    """One length byte, or four for long packets, that counts words of four bytes; then the packet."""

    async def read(self, reader: asyncio.StreamReader) -> bytes:
        """Return the next packet; see `Framing.read`."""
        words = (await reader.readexactly(1))[0]
        if words >= _LONG_ABRIDGED:
            words = int.from_bytes(await reader.readexactly(3), "little")
        if words * 4 > MAX_PACKET_BYTES:
            raise ConnectionError(f"bad abridged frame: length {words * 4}")
        return await reader.readexactly(words * 4)

    def frame(self, packet: bytes) -> bytes:
        """Return a packet with its frame; see `Framing.frame`."""
        words = len(packet) // 4
        if words < _LONG_ABRIDGED:
            return bytes([words]) + packet
        return bytes([_LONG_ABRIDGED]) + words.to_bytes(3, "little") + packet


class IntermediateFraming:
    """Four length bytes, then the packet."""

    async def read(self, reader: asyncio.StreamReader) -> bytes:
        """Return the next packet; see `Framing.read`."""
        length = int.from_bytes(await reader.readexactly(4), "little")
        if length > MAX_PACKET_BYTES:
            raise ConnectionError(f"bad intermediate frame: length {length}")
        return await reader.readexactly(length)

    def frame(self, packet: bytes) -> bytes:
        """Return a packet with its frame; see `Framing.frame`."""
        return len(packet).to_bytes(4, "little") + packet


async def recognise(reader: asyncio.StreamReader) -> Framing:
    """Read a connection's first bytes and return the framing that its client chose.

    Raises:
        IncompleteReadError: The connection ended before.
    """
    first = await reader.readexactly(1)
    if first == _ABRIDGED_TAG:
        return AbridgedFraming()
    head = first + await reader.readexactly(3)
    return IntermediateFraming() if head == _INTERMEDIATE_TAG else FullFraming(head)
