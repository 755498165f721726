"""Packets in the three framings, both ways."""

from __future__ import annotations

import asyncio
import struct

import pytest

from userbot.loopback.mtproto.transport import (
    MAX_PACKET_BYTES,
    AbridgedFraming,
    Framing,
    FullFraming,
    IntermediateFraming,
    recognise,
)


def stream(*pieces: bytes) -> asyncio.StreamReader:
    reader = asyncio.StreamReader()
    for piece in pieces:
        reader.feed_data(piece)
    reader.feed_eof()
    return reader


@pytest.mark.parametrize("framing", [FullFraming, AbridgedFraming, IntermediateFraming])
@pytest.mark.parametrize("size", [4, 504, 508, 512, 70_000])
async def test_what_one_side_frames_the_other_reads(framing: type[Framing], size: int) -> None:
    writer, reader = framing(), framing()
    packets = [bytes([number]) * size for number in range(3)]
    wire = stream(*(writer.frame(packet) for packet in packets))
    assert [await reader.read(wire) for _ in packets] == packets
    with pytest.raises(asyncio.IncompleteReadError):
        await reader.read(wire)


@pytest.mark.parametrize(
    ("tag", "framing"), [(b"\xef", AbridgedFraming()), (b"\xee" * 4, IntermediateFraming()), (b"", FullFraming())]
)
async def test_the_first_bytes_tell_the_framing(tag: bytes, framing: Framing) -> None:
    wire = stream(tag, framing.frame(b"packet!!"))
    recognised = await recognise(wire)
    assert type(recognised) is type(framing)
    assert await recognised.read(wire) == b"packet!!"


@pytest.mark.parametrize(
    ("frame", "complaint"),
    [
        (struct.pack("<ii", 8, 0), "length 8"),
        (struct.pack("<ii", MAX_PACKET_BYTES + 1, 0), "length 16777217"),
        (struct.pack("<ii", 16, 5), "sequence 5, expected 0"),
        (FullFraming().frame(b"packet!!")[:-1] + b"\0", "checksum of packet 0 differs"),
    ],
)
async def test_damaged_full_frame_is_refused(frame: bytes, complaint: str) -> None:
    with pytest.raises(ConnectionError, match=complaint):
        await FullFraming().read(stream(frame))


@pytest.mark.parametrize(
    ("framing", "frame"),
    [(AbridgedFraming(), b"\x7f\xff\xff\xff"), (IntermediateFraming(), struct.pack("<I", MAX_PACKET_BYTES + 1))],
)
async def test_packet_that_is_too_long_is_refused(framing: Framing, frame: bytes) -> None:
    with pytest.raises(ConnectionError, match="length"):
        await framing.read(stream(frame))
