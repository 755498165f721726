"""Metrics belong to one daemon, and know all of its states."""

from __future__ import annotations

from prometheus_client import generate_latest

from userbot.domain.metrics import STATES, Metrics
from userbot.telegram.connection import ConnectionState


def test_two_daemons_in_one_process_count_for_themselves() -> None:
    first, second = Metrics(), Metrics()
    first.sent.inc(3)
    assert b"clone_sent_bubbles_total 3.0" in generate_latest(first.registry)
    assert b"clone_sent_bubbles_total 0.0" in generate_latest(second.registry)


def test_every_state_of_the_connection_can_be_shown() -> None:
    assert {state.value for state in ConnectionState} <= set(STATES)


def test_every_metric_begins_with_the_name_of_the_program() -> None:
    lines = generate_latest(Metrics().registry).decode().splitlines()
    names = {line.split()[2] for line in lines if line.startswith("# HELP")}
    assert len(names) >= 10
    assert {name.split("_")[0] for name in names} == {"clone"}
