"""Pages of a chat, single messages, search."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from loopback_bench import START, Bench, Device
from telethon.tl import functions, types

from userbot.loopback.world.actions import Outgoing

messages = functions.messages


@pytest.fixture
def vera(bench: Bench) -> Any:
    """Vera as a peer, after ten messages from her, an hour apart."""
    for number in range(1, 11):
        date = START + timedelta(hours=number)
        bench.actions.send(bench.vera, bench.owner.user_id, Outgoing(f"text {number}", date=date))
    return types.InputPeerUser(bench.vera.user_id, bench.vera.access_hash)


def page(phone: Device, peer: Any, **limits: Any) -> list[int]:
    fields = {"offset_id": 0, "offset_date": None, "add_offset": 0, "limit": 3, "max_id": 0, "min_id": 0, "hash": 0}
    answer = phone.call(messages.GetHistoryRequest(peer, **{**fields, **limits}))
    return [message.id for message in answer.messages]


@pytest.mark.parametrize(
    ("limits", "ids"),
    [
        ({}, [10, 9, 8]),
        ({"offset_id": 8}, [7, 6, 5]),
        ({"offset_id": 8, "add_offset": -2}, [9, 8, 7]),
        ({"offset_id": 5, "add_offset": 1}, [3, 2, 1]),
        ({"min_id": 8}, [10, 9]),
        ({"max_id": 10}, [9, 8]),
        ({"offset_date": START + timedelta(hours=4)}, [3, 2, 1]),
        ({"offset_id": 1}, []),
        ({"limit": 0}, [10, 9, 8, 7, 6, 5, 4, 3, 2, 1]),
    ],
)
def test_a_page_is_cut_by_offsets_and_then_by_ids(
    phone: Device, vera: Any, limits: dict[str, Any], ids: list[int]
) -> None:
    assert page(phone, vera, **limits) == ids


def test_a_slice_says_how_many_there_are_in_all(phone: Device, vera: Any) -> None:
    fields: Any = {"offset_id": 0, "offset_date": None, "add_offset": 0, "max_id": 0, "min_id": 0, "hash": 0}
    part = phone.call(messages.GetHistoryRequest(vera, limit=3, **fields))
    whole = phone.call(messages.GetHistoryRequest(vera, limit=100, **fields))
    assert (type(part), part.count) == (types.messages.MessagesSlice, 10)
    assert type(whole) is types.messages.Messages


def test_messages_by_id_keep_their_order_and_gaps(phone: Device, vera: Any) -> None:
    answer = phone.call(messages.GetMessagesRequest([types.InputMessageID(number) for number in (3, 99, 1)]))
    assert [type(message) for message in answer.messages] == [types.Message, types.MessageEmpty, types.Message]
    assert [message.id for message in answer.messages] == [3, 99, 1]


def test_channels_are_read_by_ids_of_their_own(bench: Bench, phone: Device) -> None:
    channel = bench.add_channel(bench.owner, bench.vera)
    bench.actions.send(bench.vera, channel.chat_id, Outgoing("hello"))
    peer = types.InputChannel(600, channel.access_hash)
    answer = phone.call(functions.channels.GetMessagesRequest(peer, [types.InputMessageID(1)]))
    assert (type(answer), answer.messages[0].message) == (types.messages.ChannelMessages, "hello")


def test_a_group_of_others_is_refused(bench: Bench, phone: Device) -> None:
    bench.add_group(bench.vera)
    error = phone.call(
        messages.GetHistoryRequest(types.InputPeerChat(500), 0, None, add_offset=0, limit=3, max_id=0, min_id=0, hash=0)
    )
    assert error.error_message == "CHAT_ID_INVALID"


@pytest.mark.parametrize(
    ("changes", "ids"),
    [
        ({"q": "TEXT 1"}, [10, 1]),
        ({"min_date": START + timedelta(hours=8)}, [10, 9]),
        ({"max_date": START + timedelta(hours=3)}, [2, 1]),
        ({"from_id": types.InputPeerSelf()}, []),
        ({"filter": types.InputMessagesFilterPhotos()}, []),
        ({"peer": types.InputPeerEmpty(), "q": "text 7"}, [7]),
    ],
)
def test_a_search_finds_by_text_sender_and_date(
    phone: Device, vera: Any, changes: dict[str, Any], ids: list[int]
) -> None:
    fields = {"peer": vera, "q": "", "filter": types.InputMessagesFilterEmpty(), "min_date": None, "max_date": None}
    numbers = {"offset_id": 0, "add_offset": 0, "limit": 100, "max_id": 0, "min_id": 0, "hash": 0}
    answer = phone.call(messages.SearchRequest(**{**fields, **numbers, **changes}))
    assert [message.id for message in answer.messages] == ids
