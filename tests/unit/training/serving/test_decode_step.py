"""A decode step: rows together are the rows alone, and nothing of an earlier reply is left."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import torch

from training.serving.decode_step import PADDING, DecodeStep, RowState
from training.serving.engine import Engine

ROW = RowState(slot=0, token=9, position=0, step=0, temperature=0.0, top_p=1.0, penalty=1.0)


def make_step(engine: Engine) -> DecodeStep:
    cache = engine.decoder.allocate(4, 32)
    return DecodeStep(engine.decoder, cache, slots=4, sizes=(1, 2, 4), max_new_tokens=8, graphs=False)


@torch.no_grad()
def run(step: DecodeStep, rows: list[RowState], *, times: int = 5) -> list[list[int]]:
    step.write(rows)
    return [list(column) for column in zip(*(step.launch().read() for _ in range(times)), strict=True)]


def test_rows_together_are_the_rows_alone(make_engine: Callable[..., Engine]) -> None:
    engine = make_engine()
    rows = [replace(ROW, slot=slot, token=9 + slot) for slot in range(3)]
    alone = [run(make_step(engine), [row])[0] for row in rows]
    assert run(make_step(engine), rows) == alone
    padded = [rows[0], replace(ROW, slot=PADDING), rows[2]]
    found = run(make_step(engine), padded)
    assert [found[0], found[2]] == [alone[0], alone[2]]


def test_the_penalty_counts_a_slots_own_reply_until_the_next_begins(make_engine: Callable[..., Engine]) -> None:
    step = make_step(make_engine())
    row = replace(ROW, penalty=50.0)
    first = run(step, [row])[0]
    assert len(set(first)) == len(first)
    assert run(step, [row])[0] != first
    step.begin(0, torch.zeros(8))
    assert run(step, [row])[0] == first


def test_numbers_decide_by_slot_and_step(make_engine: Callable[..., Engine]) -> None:
    step = make_step(make_engine())
    warm = replace(ROW, temperature=5.0)
    step.begin(0, torch.linspace(0, 0.99, 8))
    first = run(step, [warm])[0]
    step.begin(0, torch.linspace(0.99, 0, 8))
    assert run(step, [warm])[0] != first
    step.begin(0, torch.linspace(0, 0.99, 8))
    assert run(step, [warm])[0] == first
