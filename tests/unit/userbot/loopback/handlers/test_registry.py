"""Which requests are answered, and which are refused."""

from __future__ import annotations

import pytest
from loopback_bench import Bench, Device
from telethon.errors import RPCError
from telethon.tl import functions, types

from userbot.loopback.handlers.registry import Call, refuse, unwrap

CONFIG = functions.help.GetConfigRequest()
STATE = functions.updates.GetStateRequest()


def test_a_request_without_a_handler_is_refused_by_its_number(phone: Device) -> None:
    error = phone.call(functions.help.GetSupportRequest())
    assert isinstance(error, types.RpcError)
    assert error.error_message == f"INPUT_METHOD_INVALID_{functions.help.GetSupportRequest.CONSTRUCTOR_ID}"


def test_what_needs_a_login_is_refused_without_one(bench: Bench) -> None:
    client = Device(bench, None)
    assert isinstance(client.call(CONFIG), types.Config)
    assert client.call(STATE).error_message == "AUTH_KEY_UNREGISTERED"


@pytest.mark.parametrize(
    ("refusal", "needs_no_login", "needs_login"),
    [
        ((401, "SESSION_REVOKED"), "Config", "SESSION_REVOKED"),
        ((406, "AUTH_KEY_DUPLICATED"), "AUTH_KEY_DUPLICATED", "AUTH_KEY_DUPLICATED"),
    ],
)
def test_a_revoked_session_may_log_in_again_and_a_duplicated_key_may_nothing(
    phone: Device, refusal: tuple[int, str], needs_no_login: str, needs_login: str
) -> None:
    phone.authorization.refusal = refusal
    answers = [phone.call(request) for request in (CONFIG, STATE)]
    names = [getattr(answer, "error_message", type(answer).__name__) for answer in answers]
    assert names == [needs_no_login, needs_login]
    with pytest.raises(RPCError, match=refusal[1]):
        refuse(phone.authorization)


def test_wrappers_are_taken_off_and_tell_whether_updates_are_wanted(bench: Bench, phone: Device) -> None:
    call = Call(bench.services, phone.session)
    wrapped = functions.InvokeWithLayerRequest(200, functions.InvokeAfterMsgRequest(1, CONFIG))
    assert unwrap(call, wrapped) is CONFIG
    assert phone.session.receives_updates
    assert unwrap(call, functions.InvokeWithoutUpdatesRequest(CONFIG)) is CONFIG
    assert not phone.session.receives_updates


def test_a_takeout_session_has_to_be_open(bench: Bench, phone: Device) -> None:
    request = functions.InvokeWithTakeoutRequest(5, CONFIG)
    with pytest.raises(RPCError, match="TAKEOUT_INVALID"):
        unwrap(Call(bench.services, phone.session), request)
    phone.authorization.takeout_id = 5
    assert unwrap(Call(bench.services, phone.session), request) is CONFIG
