"""Which call a fault affects, and what befalls accounts."""

from __future__ import annotations

import pytest
from loopback_bench import Bench, Device
from telethon.tl import functions

from userbot.loopback.faults import Faults, method_of
from userbot.loopback.world.state import User

SEND = "messages.sendMessage"


class Recorder(Faults):
    """Faults that note whose connections were closed."""

    def __init__(self, bench: Bench) -> None:
        self.closed: list[User] = []
        super().__init__(bench.world, bench.authorizations, disconnect=self.closed.append)


@pytest.fixture
def faults(bench: Bench) -> Recorder:
    return Recorder(bench)


def test_methods_are_named_as_in_telegrams_documentation() -> None:
    assert method_of(functions.messages.SendMessageRequest(None, "", random_id=1)) == SEND
    assert method_of(functions.PingRequest(1)) == "ping"


def test_a_fault_affects_as_many_calls_of_its_method_as_requested(faults: Recorder) -> None:
    faults.flood_wait(SEND, 30, calls=2)
    assert faults.take("messages.getHistory", 1) is None
    assert [taken and taken.error for taken in (faults.take(SEND, 1), faults.take(SEND, 2), faults.take(SEND, 1))] == [
        (420, "FLOOD_WAIT_30"),
        (420, "FLOOD_WAIT_30"),
        None,
    ]


def test_the_oldest_fault_comes_first_and_a_star_is_any_method(faults: Recorder) -> None:
    faults.delay("*", 0.5)
    faults.drop(SEND, "after")
    first, second = faults.take(SEND, None), faults.take(SEND, None)
    assert first is not None
    assert second is not None
    assert (first.delay_s, second.drop) == (0.5, "after")


def test_a_fault_of_one_account_spares_the_others(bench: Bench, faults: Recorder) -> None:
    faults.peer_flood(user=bench.vera)
    assert faults.take(SEND, bench.owner.user_id) is None
    taken = faults.take(SEND, bench.vera.user_id)
    assert taken is not None
    assert taken.error == (400, "PEER_FLOOD")


def test_pending_faults_can_be_seen_and_cleared(faults: Recorder) -> None:
    faults.server_error(SEND)
    assert [fault.error for fault in faults.pending()] == [(500, "RPC_CALL_FAIL")]
    faults.clear()
    assert faults.pending() == []


@pytest.mark.parametrize(
    ("name", "refusal"),
    [
        ("revoke", (401, "SESSION_REVOKED")),
        ("ban", (401, "USER_DEACTIVATED_BAN")),
        ("duplicate_key", (406, "AUTH_KEY_DUPLICATED")),
    ],
)
def test_a_session_ends_for_all_keys_of_an_account(
    bench: Bench, faults: Recorder, phone: Device, veras: Device, name: str, refusal: tuple[int, str]
) -> None:
    getattr(faults, name)(bench.owner, disconnect=True)
    assert (phone.authorization.refusal, veras.authorization.refusal) == (refusal, None)
    assert faults.closed == [bench.owner]


def test_keys_are_forgotten_and_salts_change(bench: Bench, faults: Recorder, phone: Device, veras: Device) -> None:
    before = phone.authorization.salt
    faults.change_salts(bench.owner)
    assert (phone.authorization.salt != before, veras.authorization.salt) == (True, 1)
    faults.forget_keys(bench.owner)
    assert list(bench.authorizations.values()) == [veras.authorization]
    assert faults.closed == [bench.owner]


def test_faults_of_updates_are_counted_on_the_account(bench: Bench, faults: Recorder) -> None:
    faults.miss_updates(bench.owner, count=2)
    faults.difference_too_long(bench.owner)
    faults.duplicate_random_id(calls=3)
    faults.disconnect(bench.owner)
    assert (bench.owner.missed_updates, bench.owner.too_long_differences) == (2, 1)
    assert bench.world.duplicate_failures == 3
    assert faults.closed == [bench.owner]
