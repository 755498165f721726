"""Events on the wire: the JSON of each is fixed, and lines of older versions are still read."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import pytest

from training.events import (
    EVENT_TYPES,
    Answered,
    CheckpointSaved,
    Configured,
    DataCounted,
    Estimated,
    Evaluated,
    EvaluationName,
    Event,
    Failed,
    Finished,
    Judged,
    Note,
    Stepped,
    event_from_json,
    parse_event,
)

ON_THE_WIRE: list[tuple[Event, str]] = [
    (Note("device: CPU"), '{"event": "note", "text": "device: CPU"}'),
    (
        Configured(run="r1", base="tiny", parent=None, config={"epochs": 3.0}),
        '{"event": "config", "run": "r1", "base": "tiny", "parent": null, "config": {"epochs": 3.0}}',
    ),
    (
        DataCounted(samples=9, turns=40, tokens=700, supervised_tokens=300, held_out_turns=4, masked={"phone": 2}),
        (
            '{"event": "data", "samples": 9, "turns": 40, "tokens": 700, "learned_tokens": 300, "held_out_turns": 4, '
            '"masked": {"phone": 2}}'
        ),
    ),
    (
        Estimated(memory_gib={"total": 1.5}, max_pack_tokens=64, checkpointing=False, updates=2, tokens=9),
        (
            '{"event": "estimate", "memory_gib": {"total": 1.5}, "max_pack_tokens": 64, "checkpointing": false, '
            '"updates": 2, "tokens": 9, "tokens_per_s": null, "seconds": null}'
        ),
    ),
    (
        Stepped(step=1, total=2, loss=3.5, learning_rate=0.1, tokens_per_s=9.0, memory_bytes=7, eta_s=1.0),
        (
            '{"event": "step", "step": 1, "total": 2, "loss": 3.5, "learning_rate": 0.1, "tokens_per_s": 9.0, '
            '"memory_bytes": 7, "eta_s": 1.0}'
        ),
    ),
    (
        Evaluated(name=EvaluationName.ACTIVE, step=0, loss=3.5, bits_per_char=2.0, tokens=8, characters=9),
        (
            '{"event": "evaluation", "name": "current", "step": 0, "loss": 3.5, "bits_per_char": 2.0, "tokens": 8, '
            '"characters": 9}'
        ),
    ),
    (CheckpointSaved(step=2), '{"event": "checkpoint", "step": 2}'),
    (
        Finished(adapter_id="a1", worse=True, metrics={"updates": 2}),
        '{"event": "done", "adapter_id": "a1", "worse": true, "metrics": {"updates": 2}}',
    ),
    (Answered(answered=1, prompts=128), '{"event": "answer", "answered": 1, "prompts": 128}'),
    (
        Judged(passed=True, summary="Passed.", report="/r", picture="/p"),
        '{"event": "verdict", "passed": true, "summary": "Passed.", "report": "/r", "picture": "/p"}',
    ),
    (Failed(text="No.", exit_code=2), '{"event": "error", "text": "No.", "exit_code": 2}'),
]


@pytest.mark.parametrize(("event", "line"), ON_THE_WIRE)
def test_each_event_has_one_form_on_the_wire(event: Event, line: str) -> None:
    assert json.dumps(event.to_json()) == line
    assert parse_event(line) == parse_event(line.encode()) == event


def test_every_event_is_covered_above() -> None:
    assert {type(event) for event, _ in ON_THE_WIRE} == set(EVENT_TYPES)


def test_a_key_of_an_older_log_is_read_as_todays_field() -> None:
    old = {"event": "estimate", "row_tokens": 4096, "checkpointing": True, "updates": 9, "tokens": 100}

    assert event_from_json(old) == Estimated(max_pack_tokens=4096, checkpointing=True, updates=9, tokens=100)


def test_keys_of_a_newer_version_are_left_out() -> None:
    assert event_from_json({"event": "checkpoint", "step": 3, "path": "/x"}) == CheckpointSaved(step=3)


@pytest.mark.parametrize(
    "values",
    [
        None,
        5,
        ["event"],
        {},
        {"event": ["step"]},
        {"event": "unheard of"},
        {"event": "step", "step": 1},
        {"event": "evaluation", "name": "sideways", "step": 1, "loss": 2.0},
        {"event": "evaluation", "step": 1, "loss": 2.0},
    ],
)
def test_what_is_no_event_is_read_as_none(values: Any) -> None:
    assert event_from_json(values) is None


@pytest.mark.parametrize("line", ["", "warning: something", '{"event": "note", "te', b"\xff\xfe"])
def test_a_line_that_is_no_json_is_read_as_none(line: str | bytes) -> None:
    assert parse_event(line) is None


def test_importing_events_loads_nothing_heavy() -> None:
    code = "import sys, training.events; print(*sorted({name.split('.')[0] for name in sys.modules}))"

    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()

    assert {"torch", "numpy", "pydantic", "transformers", "userbot"}.isdisjoint(loaded)
