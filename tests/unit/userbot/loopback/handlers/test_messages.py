"""Writing by API request."""

from __future__ import annotations

from typing import Any

import pytest
from loopback_bench import START, Bench, Device
from telethon.tl import functions, types

messages = functions.messages


@pytest.fixture
def vera(bench: Bench) -> Any:
    return types.InputPeerUser(bench.vera.user_id, bench.vera.access_hash)


def texts(bench: Bench) -> list[str]:
    return [message.text for message in bench.world.history(bench.vera, bench.owner.user_id)]


def test_a_private_text_is_answered_with_its_id_only(bench: Bench, phone: Device, vera: Any) -> None:
    answer = phone.call(messages.SendMessageRequest(vera, "hi", random_id=5))
    assert isinstance(answer, types.UpdateShortSentMessage)
    assert (answer.id, answer.pts, answer.out) == (1, bench.owner.box.pts, True)
    assert texts(bench) == ["hi"]


def test_a_group_text_is_answered_with_the_whole_message(bench: Bench, phone: Device) -> None:
    bench.add_group(bench.owner, bench.vera)
    answer = phone.call(messages.SendMessageRequest(types.InputPeerChat(500), "hi", random_id=5))
    assert [type(update) for update in answer.updates] == [types.UpdateMessageID, types.UpdateNewMessage]
    assert answer.updates[0].random_id == 5


def test_the_same_random_id_sends_once_and_returns_the_first_message(bench: Bench, phone: Device, vera: Any) -> None:
    first = phone.call(messages.SendMessageRequest(vera, "hi", random_id=5))
    again = phone.call(messages.SendMessageRequest(vera, "hi", random_id=5))
    assert texts(bench) == ["hi"]
    assert [update.id for update in again.updates if isinstance(update, types.UpdateMessageID)] == [first.id]
    bench.world.duplicate_failures = 1
    error = phone.call(messages.SendMessageRequest(vera, "hi", random_id=5))
    assert (error.error_code, error.error_message) == (500, "RANDOM_ID_DUPLICATE")


def test_nothing_is_scheduled(phone: Device, vera: Any) -> None:
    error = phone.call(messages.SendMessageRequest(vera, "hi", random_id=5, schedule_date=START))
    assert error.error_message == "SCHEDULE_DATE_INVALID"


def test_sending_may_clear_the_draft(bench: Bench, phone: Device, vera: Any) -> None:
    bench.actions.save_draft(bench.owner, bench.vera.user_id, "hm")
    phone.call(messages.SendMessageRequest(vera, "hi", random_id=5, clear_draft=True))
    assert bench.owner.dialog(bench.vera.user_id).draft == ""


def test_a_message_is_changed_forwarded_and_deleted(bench: Bench, phone: Device, vera: Any) -> None:
    sent = phone.call(messages.SendMessageRequest(vera, "helo", random_id=5))
    edited = phone.call(messages.EditMessageRequest(vera, sent.id, message="hello"))
    assert isinstance(edited.updates[0], types.UpdateEditMessage)
    copied = phone.call(messages.ForwardMessagesRequest(vera, [sent.id], types.InputPeerSelf(), random_id=[6]))
    assert copied.updates[1].message.fwd_from.saved_from_msg_id == sent.id
    again = phone.call(messages.ForwardMessagesRequest(vera, [sent.id], types.InputPeerSelf(), random_id=[6]))
    assert again.updates[0].id == copied.updates[0].id
    gone = phone.call(messages.DeleteMessagesRequest([sent.id], revoke=True))
    assert gone.pts_count == 1
    assert texts(bench) == []
    assert phone.call(messages.DeleteMessagesRequest([sent.id], revoke=True)).pts_count == 0
