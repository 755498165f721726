"""Slots: who gets which, what of a prompt is kept, and what is copied."""

from __future__ import annotations

import pytest
import torch

from training.serving.slots import KvCache, Slots, count_shared

LONG = list(range(100, 200))


def use(slots: Slots, prompt: list[int]) -> tuple[int, int, int | None]:
    """Take a slot, read the prompt, and give it back."""
    place = slots.acquire(prompt)
    slots.extend(place.slot, prompt[place.kept :])
    slots.release(place.slot)
    return place.slot, place.kept, place.source


def test_a_chat_that_comes_back_finds_its_slot() -> None:
    slots = Slots(3)
    first = use(slots, LONG)
    use(slots, [1, 2, 3])
    assert use(slots, [*LONG, 7, 8]) == (first[0], len(LONG), None)


def test_the_last_token_of_a_prompt_is_always_read() -> None:
    slots = Slots(1)
    use(slots, LONG)
    assert use(slots, LONG) == (0, len(LONG) - 1, None)


def test_another_chat_copies_a_beginning_and_leaves_the_slot_alone() -> None:
    slots = Slots(2)
    use(slots, LONG)
    other = [*LONG[:30], *range(500, 600)]
    assert use(slots, other) == (1, 30, 0)
    assert use(slots, [*LONG, 5]) == (0, len(LONG), None)


def test_a_busy_slot_is_copied_from() -> None:
    slots = Slots(2)
    place = slots.acquire(LONG)
    slots.extend(place.slot, LONG)
    other = slots.acquire(LONG)
    assert (other.slot, other.kept, other.source) == (1, len(LONG) - 1, 0)


def test_the_least_recently_used_slot_is_given_away() -> None:
    slots = Slots(2)
    use(slots, [1] * 40)
    use(slots, [2] * 40)
    use(slots, [*[1] * 40, 3])
    assert use(slots, [4] * 40)[0] == 1


def test_no_slot_is_left_when_all_are_busy() -> None:
    slots = Slots(1)
    slots.acquire([1, 2])
    assert slots.free == 0
    with pytest.raises(LookupError):
        slots.acquire([3, 4])


def test_cleared_slots_hold_nothing() -> None:
    slots = Slots(1)
    use(slots, LONG)
    slots.clear()
    assert use(slots, LONG) == (0, 0, None)


def test_shared_beginnings_are_counted() -> None:
    assert [count_shared([1, 2, 3], other) for other in ([1, 2, 4], [1, 2, 3, 4], [2], [])] == [2, 3, 0, 0]


def test_a_copied_beginning_is_the_same_and_no_longer() -> None:
    cache = KvCache.allocate(
        layers=2, slots=2, kv_heads=1, capacity=5, width=4, dtype=torch.float32, device=torch.device("cpu")
    )
    cache.keys[:, 0], cache.values[:, 0] = 1.0, 2.0
    cache.copy(0, 1, tokens=3)
    assert torch.equal(cache.keys[:, 1, :, :3], cache.keys[:, 0, :, :3])
    assert torch.equal(cache.values[:, 1, :, :3], cache.values[:, 0, :, :3])
    assert not cache.keys[:, 1, :, 3:].any()
