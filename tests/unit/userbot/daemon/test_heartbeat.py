"""The daemon's sign of life, as it writes it and as other processes read it."""

from __future__ import annotations

import os
from dataclasses import replace

import pytest
from fakes import START, FakeClock
from prometheus_client import generate_latest

from userbot.daemon.heartbeat import BEAT_S, CONNECTED, Heartbeat, is_running, read_state, write_state
from userbot.domain.metrics import Metrics
from userbot.store import Store
from userbot.store.facts import DAEMON
from userbot.store.thread import StoreThread
from userbot.telegram.connection import ConnectionState


@pytest.fixture
def metrics() -> Metrics:
    return Metrics()


@pytest.fixture
def heartbeat(store: Store, thread: StoreThread, clock: FakeClock, metrics: Metrics) -> Heartbeat:
    return Heartbeat(store, thread, clock=clock, metrics=metrics)


def test_word_for_a_sound_connection_is_the_connections_own() -> None:
    assert ConnectionState.CONNECTED.value == CONNECTED


async def test_state_is_written_with_its_beginning_and_shown_as_a_metric(
    heartbeat: Heartbeat, store: Store, clock: FakeClock, metrics: Metrics
) -> None:
    clock.advance(5)
    await heartbeat.set("connected")
    clock.advance(5)
    await heartbeat.set("connected")
    written = store.facts.get(DAEMON)
    assert written is not None
    assert (written.state, (written.since - START).total_seconds(), written.pid) == ("connected", 5.0, os.getpid())
    assert (written.beat_at - START).total_seconds() == 10.0
    assert b'clone_state{clone_state="connected"} 1.0' in generate_latest(metrics.registry)


async def test_beat_is_written_only_when_it_is_due(heartbeat: Heartbeat, store: Store, clock: FakeClock) -> None:
    await heartbeat.set("connected")
    for seconds, beat_at_s in ((BEAT_S - 1, 0.0), (1, BEAT_S)):
        clock.advance(seconds)
        await heartbeat.beat()
        written = store.facts.get(DAEMON)
        assert written is not None and (written.beat_at - START).total_seconds() == beat_at_s


async def test_health_is_good_while_connected_and_beating(heartbeat: Heartbeat, clock: FakeClock) -> None:
    assert not heartbeat.read_health()[0]
    await heartbeat.set("connected")
    is_well, shown = heartbeat.read_health()
    assert is_well and shown == {"state": "connected", "since": START.isoformat(), "beat_age_s": 0.0}
    clock.advance(4 * BEAT_S)
    assert not heartbeat.read_health()[0]
    await heartbeat.set("disconnected")
    assert not heartbeat.read_health()[0]


def test_daemon_that_never_ran_has_no_state(store: Store) -> None:
    assert read_state(store) is None
    assert not is_running(store)


def test_daemon_without_a_sign_of_life_does_not_run(store: Store, clock: FakeClock) -> None:
    write_state(store, "connected", since=clock.now)
    assert is_running(store)
    clock.advance(300)
    state = read_state(store)
    assert state is not None and state.state == "not running"


def test_daemon_whose_process_is_gone_does_not_run(store: Store, clock: FakeClock) -> None:
    write_state(store, "connected", since=clock.now)
    written = store.facts.get(DAEMON)
    assert written is not None
    store.facts.set(DAEMON, replace(written, pid=2**22 + 1))
    assert not is_running(store)


@pytest.mark.parametrize("final", ["stopped", "session lost", "needs login", "failed"])
def test_final_state_is_kept(store: Store, clock: FakeClock, final: str) -> None:
    write_state(store, final, since=clock.now)
    clock.advance(3000)
    state = read_state(store)
    assert state is not None and state.state == final
    assert not is_running(store)
