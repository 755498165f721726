"""Samples as flat arrays, and rows packed from them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from models import invent_samples

from training.data.tokens import Encoded, Tokens, flatten
from training.loop.batches import plan_packs, plan_updates
from training.model.packed_sequence import pack

LENGTHS = st.lists(st.integers(1, 60), min_size=1, max_size=80)


def test_flat_arrays_hold_samples_end_to_end_and_never_learn_a_first_token() -> None:
    tokens = flatten([Encoded([5, 6, 7], [1, 0, 1]), Encoded([8, 9], [0, 1])], chats=[11, 12], count=len)
    assert tokens.ids.tolist() == [5, 6, 7, 8, 9]
    assert tokens.loss_mask.tolist() == [False, False, True, False, True]
    assert tokens.offsets.tolist() == [0, 3, 5]
    assert (tokens.lengths.tolist(), tokens.supervised.tolist()) == ([3, 2], [1, 1])
    assert (tokens.chats.tolist(), tokens.characters.tolist()) == ([11, 12], [1, 1])


def test_samples_without_a_learned_token_are_left_out() -> None:
    tokens = flatten([Encoded([5], [1]), Encoded([5, 6], [0, 0]), Encoded([7, 8], [0, 1])])
    assert (len(tokens), tokens.ids.tolist()) == (1, [7, 8])


def test_arrays_come_back_from_disk(tmp_path: Path) -> None:
    tokens = flatten(invent_samples([4, 9, 2]), chats=[1, 1, 2], count=len)
    tokens.save(tmp_path / "train")
    found = Tokens.open(tmp_path / "train")
    for name in Tokens.__slots__:
        assert np.array_equal(getattr(tokens, name), getattr(found, name))
    assert isinstance(found.ids, np.memmap)


def test_no_samples_at_all_survive_disk(tmp_path: Path) -> None:
    flatten([]).save(tmp_path / "none")
    assert len(Tokens.open(tmp_path / "none")) == 0


@given(LENGTHS, st.integers(20, 200), st.integers(0, 5), st.none() | st.integers(1, 7))
def test_each_sample_is_in_one_update_and_no_update_is_too_long(
    lengths: list[int], batch_tokens: int, seed: int, batch_samples: int | None
) -> None:
    sizes = np.array(lengths)
    plan = plan_updates(sizes, batch_tokens=batch_tokens, batch_samples=batch_samples, rng=np.random.default_rng(seed))
    assert sorted(np.concatenate(plan).tolist()) == list(range(len(lengths)))
    for samples in plan:
        assert sizes[samples].sum() <= batch_tokens or len(samples) == 1
        assert batch_samples is None or len(samples) <= batch_samples


def test_updates_are_nearly_full() -> None:
    sizes = np.random.default_rng(0).integers(20, 200, size=2000)
    plan = plan_updates(sizes, batch_tokens=2048, rng=np.random.default_rng(1))
    assert sizes.sum() / (len(plan) * 2048) > 0.97


def test_the_order_depends_on_the_generator_alone() -> None:
    sizes = np.full(50, 10)
    one, same, other = (plan_updates(sizes, batch_tokens=100, rng=np.random.default_rng(seed)) for seed in (1, 1, 2))
    assert [samples.tolist() for samples in one] == [samples.tolist() for samples in same]
    assert [samples.tolist() for samples in one] != [samples.tolist() for samples in other]


@given(LENGTHS, st.integers(20, 200))
def test_rows_hold_each_sample_once_and_are_not_too_long(lengths: list[int], max_pack_tokens: int) -> None:
    sizes = np.array(lengths)
    rows = plan_packs(sizes, np.arange(len(lengths)), max_pack_tokens=max_pack_tokens)
    assert sorted(np.concatenate(rows).tolist()) == list(range(len(lengths)))
    assert all(sizes[row].sum() <= max_pack_tokens or len(row) == 1 for row in rows)


@pytest.mark.parametrize("max_pack_tokens", [1024, 2048, 4096])
def test_an_update_takes_no_more_rows_than_its_tokens_need(max_pack_tokens: int) -> None:
    sizes = np.clip(np.random.default_rng(2).lognormal(4.1, 0.6, 4000), 8, 256).astype(np.int64)
    plan = plan_updates(sizes, batch_tokens=8192, rng=np.random.default_rng(3))
    cut = [plan_packs(sizes, samples, max_pack_tokens=max_pack_tokens) for samples in plan]
    least = [-(-sizes[samples].sum() // max_pack_tokens) for samples in plan]
    assert np.mean([len(rows) == most for rows, most in zip(cut, least, strict=True)]) > 0.95


def test_many_samples_make_nearly_full_rows() -> None:
    sizes = np.clip(np.random.default_rng(4).lognormal(5, 0.6, 20_000), 8, 1024).astype(np.int64)
    rows = plan_packs(sizes, np.arange(len(sizes)), max_pack_tokens=4096)
    assert sorted(np.concatenate(rows).tolist()) == list(range(len(sizes)))
    assert len(rows) <= 1.002 * sizes.sum() / 4096 + 1


def test_a_row_says_which_positions_predict_which_tokens() -> None:
    tokens = flatten([Encoded([5, 6, 7], [0, 1, 1]), Encoded([8, 9], [0, 1])])
    row = pack(tokens, np.array([1, 0]))
    assert row.ids.tolist() == [[8, 9, 5, 6, 7]]
    assert row.positions.tolist() == [[0, 1, 0, 1, 2]]
    assert row.cu_seqlens.tolist() == [0, 2, 5]
    assert (row.loss_positions.tolist(), row.targets.tolist()) == ([0, 2, 3], [9, 6, 7])
    assert (row.longest, row.useful) == (3, 5)


def test_padding_keeps_every_shape_and_learns_nothing_more() -> None:
    tokens = flatten([Encoded([5, 6, 7], [0, 1, 1]), Encoded([8, 9], [0, 1])])
    rows = [pack(tokens, np.array(samples), pad_to=64, longest=16) for samples in ([0], [1, 0])]
    assert {(row.ids.shape, row.positions.shape, row.cu_seqlens.shape) for row in rows} == {((1, 64), (1, 64), (9,))}
    assert {row.longest for row in rows} == {16}
    assert [row.targets.tolist() for row in rows] == [[6, 7], [9, 6, 7]]
    assert all(int(row.cu_seqlens[-1]) == 64 and int(row.positions.max()) < 16 for row in rows)
    assert [row.useful for row in rows] == [3, 5]
