"""Input peers, with the access checks that Telegram makes."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from loopback_bench import START, Bench, Device
from telethon.errors import RPCError
from telethon.tl import types

from userbot.loopback.handlers.peers import chat_id_of, given, user_of
from userbot.loopback.handlers.registry import Call


@pytest.fixture
def call(bench: Bench, phone: Device) -> Call:
    return Call(bench.services, phone.session)


def test_every_kind_of_peer_has_its_marked_id(bench: Bench, call: Call) -> None:
    group, channel, vera = bench.add_group(bench.owner), bench.add_channel(bench.owner), bench.vera
    expected = [
        (types.InputPeerSelf(), bench.owner.user_id),
        (types.InputPeerUser(vera.user_id, vera.access_hash), vera.user_id),
        (types.InputUser(vera.user_id, vera.access_hash), vera.user_id),
        (types.InputPeerChat(500), group.chat_id),
        (types.InputPeerChannel(600, channel.access_hash), channel.chat_id),
        (types.InputChannel(600, channel.access_hash), channel.chat_id),
    ]
    assert [chat_id_of(call, peer) for peer, _ in expected] == [chat_id for _, chat_id in expected]
    assert user_of(call, types.InputUserSelf()) is bench.owner


@pytest.mark.parametrize(
    ("peer", "error"),
    [
        (types.InputPeerUser(101, 1), "PEER_ID_INVALID"),
        (types.InputPeerUser(99, 1), "PEER_ID_INVALID"),
        (types.InputPeerEmpty(), "PEER_ID_INVALID"),
        (types.InputPeerChat(9), "CHAT_ID_INVALID"),
        (types.InputPeerChannel(600, 1), "CHANNEL_INVALID"),
        (types.InputPeerChannel(9, 1), "CHANNEL_INVALID"),
    ],
)
def test_what_does_not_exist_or_has_another_hash_is_refused(bench: Bench, call: Call, peer: Any, error: str) -> None:
    bench.add_channel(bench.owner)
    with pytest.raises(RPCError, match=error):
        chat_id_of(call, peer)


def test_a_channel_of_others_is_private(bench: Bench, call: Call) -> None:
    channel = bench.add_channel(bench.vera)
    with pytest.raises(RPCError, match="CHANNEL_PRIVATE"):
        chat_id_of(call, types.InputPeerChannel(600, channel.access_hash))


def test_the_zero_of_dates_means_none() -> None:
    assert given(datetime.fromtimestamp(0, UTC)) is None
    assert given(None) is None
    assert given(START) is START
