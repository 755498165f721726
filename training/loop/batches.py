"""Which samples each update learns from."""

from __future__ import annotations

import math

import numpy as np

from training.config import TrainConfig
from training.data.tokens import Ints, Tokens


def plan_batches(config: TrainConfig, tokens: Tokens) -> tuple[list[Ints], list[int]]:
    """Share the samples out to the updates of all epochs, each in another order.

    Returns:
        The plan, and the number of updates after which each epoch ends.
    """
    plan: list[Ints] = []
    ends: list[int] = []
    for epoch in range(math.ceil(config.epochs)):
        rng = np.random.default_rng((config.seed, epoch))
        updates = plan_updates(
            tokens.lengths, batch_tokens=config.batch_tokens, batch_samples=config.batch_samples, rng=rng
        )
        share = min(1.0, config.epochs - epoch)
        plan += updates[: math.ceil(share * len(updates))]
        ends.append(len(plan))
    plan = plan[: config.max_steps]
    return plan, [end for end in ends if end < len(plan)] + [len(plan)]


_CHOICE = 128  # longest and as many shortest samples that a row is filled from, so that long lists take no long time


_OPEN = 8  # updates that are filled at the same time: enough to leave no gaps, too few to sort samples by length


def plan_updates(
    lengths: Ints, *, batch_tokens: int, batch_samples: int | None = None, rng: np.random.Generator
) -> list[Ints]:
    """Share all samples out to updates, in random order.

    Args:
        lengths: Tokens of each sample.
        batch_tokens: Most tokens of one update; a longer sample makes an update of its own.
        batch_samples: Most samples of one update.
        rng: Source of the order.

    Returns:
        Indices of samples, one array an update.
    """
    most = batch_samples or len(lengths)
    done: list[list[int]] = []
    filling: list[tuple[list[int], int]] = []
    for index in rng.permutation(len(lengths)).tolist():
        length = int(lengths[index])
        for place, (samples, used) in enumerate(filling):
            if used + length <= batch_tokens:
                samples.append(index)
                filling[place] = (samples, used + length)
                if len(samples) == most:
                    done.append(filling.pop(place)[0])
                break
        else:
            filling.append(([index], length))
            if len(filling) > _OPEN or most == 1:
                done.append(filling.pop(0)[0])
    done += [samples for samples, _ in filling]
    return [np.array(samples, dtype=np.int64) for samples in done]


def plan_packs(lengths: Ints, samples: Ints, *, max_pack_tokens: int) -> list[Ints]:
    """Pack samples into rows, each as full as the samples left can make it.

    A last row of a few tokens costs nearly what a full one does where weights are unpacked or kernels started for it.

    Args:
        lengths: Tokens of every sample there is.
        samples: Those to pack.
        max_pack_tokens: Tokens that fit into a row; a longer sample gets a row of its own.
    """
    left = samples[np.argsort(-lengths[samples], kind="stable")]
    rows: list[Ints] = []
    while len(left):
        choice = np.arange(len(left))
        if len(left) > 2 * _CHOICE:
            choice = np.concatenate((choice[:_CHOICE], choice[-_CHOICE:]))
        sizes = lengths[left[choice]].tolist()
        taken = choice[_fill(sizes, max_pack_tokens) if sizes[0] < max_pack_tokens else [0]]
        rows.append(left[taken])
        left = np.delete(left, taken)
    return rows


def _fill(sizes: list[int], room: int) -> list[int]:
    """Return which sizes add up to as much as fits, earlier ones rather than later ones."""
    sums = [1]  # bit n: some of the sizes so far add up to n
    for size in sizes:
        sums.append((sums[-1] | sums[-1] << size) & (2 << room) - 1)
    total = sums[-1].bit_length() - 1
    taken = []
    for index in reversed(range(len(sizes))):
        if not sums[index] >> total & 1:
            taken.append(index)
            total -= sizes[index]
    return taken[::-1]
