"""Which samples each update trains on, and which of them share a forward pass."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from models import invent_samples

from training.config import make_config
from training.data.tokens import flatten
from training.loop.batches import plan_batches, plan_packs, plan_updates

LENGTHS = st.lists(st.integers(1, 60), min_size=1, max_size=80)


def plan(**values: object) -> tuple[list[list[int]], list[int]]:
    """Plan the batches of ten invented samples."""
    tokens = flatten(invent_samples([23, 7, 40, 12, 31, 18, 26, 35, 9, 14]))
    batches, ends = plan_batches(make_config("default", {"batch_tokens": 80}, values), tokens)
    return [samples.tolist() for samples in batches], ends


def test_epochs_may_be_a_fraction() -> None:
    one, _ = plan(epochs=1)
    more, ends = plan(epochs=1.5)
    assert len(more) == len(one) + -(-len(one) // 2)
    assert ends == [len(one), len(more)]
    assert more[: len(one)] == one


def test_each_epoch_has_all_samples_in_another_order() -> None:
    batches, (end, _) = plan(epochs=2)
    first, second = ([index for batch in part for index in batch] for part in (batches[:end], batches[end:]))
    assert sorted(first) == sorted(second) == list(range(10))
    assert first != second


def test_updates_may_be_limited() -> None:
    batches, ends = plan(max_steps=2)
    assert (len(batches), ends) == (2, [2])


@given(LENGTHS, st.integers(20, 200), st.integers(0, 5), st.none() | st.integers(1, 7))
def test_each_sample_is_in_one_update_and_no_update_is_too_long(
    lengths: list[int], batch_tokens: int, seed: int, batch_samples: int | None
) -> None:
    sizes = np.array(lengths)
    updates = plan_updates(
        sizes, batch_tokens=batch_tokens, batch_samples=batch_samples, rng=np.random.default_rng(seed)
    )
    assert sorted(np.concatenate(updates).tolist()) == list(range(len(lengths)))
    for samples in updates:
        assert sizes[samples].sum() <= batch_tokens or len(samples) == 1
        assert batch_samples is None or len(samples) <= batch_samples


def test_updates_are_nearly_full() -> None:
    sizes = np.random.default_rng(0).integers(20, 200, size=2000)
    updates = plan_updates(sizes, batch_tokens=2048, rng=np.random.default_rng(1))
    assert sizes.sum() / (len(updates) * 2048) > 0.97


def test_the_order_depends_on_the_generator_alone() -> None:
    sizes = np.full(50, 10)
    one, same, other = (plan_updates(sizes, batch_tokens=100, rng=np.random.default_rng(seed)) for seed in (1, 1, 2))
    assert [samples.tolist() for samples in one] == [samples.tolist() for samples in same]
    assert [samples.tolist() for samples in one] != [samples.tolist() for samples in other]


@given(LENGTHS, st.integers(20, 200))
def test_packs_hold_each_sample_once_and_are_not_too_long(lengths: list[int], max_pack_tokens: int) -> None:
    sizes = np.array(lengths)
    packs = plan_packs(sizes, np.arange(len(lengths)), max_pack_tokens=max_pack_tokens)
    assert sorted(np.concatenate(packs).tolist()) == list(range(len(lengths)))
    assert all(sizes[samples].sum() <= max_pack_tokens or len(samples) == 1 for samples in packs)


@pytest.mark.parametrize("max_pack_tokens", [1024, 2048, 4096])
def test_an_update_takes_no_more_passes_than_its_tokens_need(max_pack_tokens: int) -> None:
    sizes = np.clip(np.random.default_rng(2).lognormal(4.1, 0.6, 4000), 8, 256).astype(np.int64)
    updates = plan_updates(sizes, batch_tokens=8192, rng=np.random.default_rng(3))
    cut = [plan_packs(sizes, samples, max_pack_tokens=max_pack_tokens) for samples in updates]
    least = [-(-sizes[samples].sum() // max_pack_tokens) for samples in updates]
    assert np.mean([len(packs) == most for packs, most in zip(cut, least, strict=True)]) > 0.95


def test_many_samples_make_nearly_full_packs() -> None:
    sizes = np.clip(np.random.default_rng(4).lognormal(5, 0.6, 20_000), 8, 1024).astype(np.int64)
    packs = plan_packs(sizes, np.arange(len(sizes)), max_pack_tokens=4096)
    assert sorted(np.concatenate(packs).tolist()) == list(range(len(sizes)))
    assert len(packs) <= 1.002 * sizes.sum() / 4096 + 1
