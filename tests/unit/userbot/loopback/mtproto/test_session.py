"""Messages of a session: ids, containers, acknowledgements, answers."""

from __future__ import annotations

from typing import Any

import pytest
from loopback_bench import Bench, Device
from telethon.tl import types

from userbot.loopback.mtproto.session import MessageClock, serialise


def pong(number: int) -> Any:
    return types.Pong(1, number)


def numbers(device: Device) -> list[int]:
    return [message.obj.ping_id for message in device.messages if isinstance(message.obj, types.Pong)]


def test_message_ids_increase_and_tell_answers_from_the_servers_own_messages() -> None:
    clock = MessageClock()
    ids = [clock.next_id(answer=number % 2 == 0) for number in range(1000)]
    assert ids == sorted(set(ids))
    assert {number % 4 for number in ids[::2]} == {1}
    assert {number % 4 for number in ids[1::2]} == {3}


def test_several_messages_leave_as_one_container(phone: Device) -> None:
    packets: list[bytes] = []
    phone.session.attach(packets.append)
    for number in range(3):
        phone.session.post(pong(number))
    phone.session.flush()
    phone.session.flush()
    (packet,) = packets
    phone.take(packet)
    assert numbers(phone) == [0, 1, 2]


def test_without_a_connection_messages_wait_for_the_next_one(phone: Device) -> None:
    phone.session.detach(phone.take)
    assert not phone.session.connected
    phone.session.post(pong(1))
    phone.session.flush()
    assert phone.messages == []
    phone.session.attach(phone.take)
    phone.session.flush()
    assert numbers(phone) == [1]


def test_what_was_not_acknowledged_is_sent_again_over_a_new_connection(phone: Device) -> None:
    for number in (1, 2):
        phone.session.post(pong(number), content=True)
    phone.session.flush()
    first = phone.messages[0].msg_id
    phone.session.acknowledge([first])
    packets: list[bytes] = []
    phone.session.attach(packets.append)
    phone.session.flush()
    assert len(packets) == 1
    phone.state.reset()
    phone.state.id = 7
    phone.messages.clear()
    phone.take(packets[0])
    assert numbers(phone) == [2]


def test_an_old_connection_that_ends_does_not_take_the_new_one_away(phone: Device) -> None:
    packets: list[bytes] = []
    phone.session.attach(packets.append)
    phone.session.detach(phone.take)
    assert phone.session.connected


def test_repeated_request_is_answered_from_memory(phone: Device) -> None:
    assert phone.session.begin(8)
    assert not phone.session.begin(8), "it is being carried out"
    phone.session.answer(8, True)
    assert not phone.session.begin(8)
    phone.session.flush()
    assert [message.obj.req_msg_id for message in phone.messages] == [8, 8]


def test_withdrawn_answer_is_sent_later(phone: Device) -> None:
    phone.session.begin(8)
    phone.session.answer(8, True)
    send_late = phone.session.withdraw(8)
    phone.session.flush()
    assert phone.messages == []
    send_late()
    assert [message.obj.req_msg_id for message in phone.messages] == [8]


def test_large_answers_are_compressed_and_errors_are_not(bench: Bench, phone: Device) -> None:
    sizes: list[int] = []
    phone.session.attach(lambda packet: sizes.append(len(packet)))
    for result in (types.JsonString("x" * 50_000), types.RpcError(400, "X" * 50_000)):
        phone.session.answer(8, result)
        phone.session.flush()
    assert sizes[0] < 2000 < 50_000 < sizes[1]


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (True, b"\xb5\x75\x72\x99"),
        (False, b"\x37\x97\x79\xbc"),
        ([], b"\x15\xc4\xb5\x1c" + bytes(4)),
        ([5], b"\x15\xc4\xb5\x1c" + b"\x01\0\0\0" + b"\x05" + bytes(7)),
        ([pong(1)], b"\x15\xc4\xb5\x1c" + b"\x01\0\0\0" + bytes(pong(1))),
        (pong(1), bytes(pong(1))),
    ],
)
def test_results_are_written_as_tl(value: Any, expected: bytes) -> None:
    assert serialise(value) == expected
