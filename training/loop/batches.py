"""Which samples each update trains on, and which of them share a forward pass."""

from __future__ import annotations

import math

import numpy as np

from training.config import TrainConfig
from training.data.tokens import Ints, Tokens

_OPEN = 8  # updates that are filled at the same time: enough to leave no gaps, too few to sort samples by length
_CANDIDATES = 128  # longest and as many shortest samples that a pack is filled from, so that long lists stay quick


def plan_batches(config: TrainConfig, tokens: Tokens) -> tuple[list[Ints], list[int]]:
    """Share the samples out to the updates of all epochs, each in another order.

    Args:
        config: Epochs, most updates, size of an update, seed.
        tokens: The training samples.

    Returns:
        Indices of the samples of each update, in order; and the number of updates after which each epoch ends.
    """
    batches: list[Ints] = []
    ends: list[int] = []
    for epoch in range(math.ceil(config.epochs)):
        rng = np.random.default_rng((config.seed, epoch))
        updates = plan_updates(
            tokens.lengths, batch_tokens=config.batch_tokens, batch_samples=config.batch_samples, rng=rng
        )
        share = min(1.0, config.epochs - epoch)
        batches += updates[: math.ceil(share * len(updates))]
        ends.append(len(batches))
    batches = batches[: config.max_steps]
    return batches, [end for end in ends if end < len(batches)] + [len(batches)]


def plan_updates(
    lengths: Ints, *, batch_tokens: int, batch_samples: int | None = None, rng: np.random.Generator
) -> list[Ints]:
    """Share all samples out to the updates of one epoch, in random order.

    Args:
        lengths: Tokens of each sample; shape (samples,).
        batch_tokens: Most tokens of one update; a longer sample makes an update of its own.
        batch_samples: Most samples of one update; None for as many as fit.
        rng: Source of the order.

    Returns:
        Indices of samples, one array an update.
    """
    most = batch_samples or len(lengths)
    full: list[list[int]] = []
    filling: list[tuple[list[int], int]] = []
    for index in rng.permutation(len(lengths)).tolist():
        length = int(lengths[index])
        for place, (samples, used) in enumerate(filling):
            if used + length <= batch_tokens:
                samples.append(index)
                filling[place] = (samples, used + length)
                if len(samples) == most:
                    full.append(filling.pop(place)[0])
                break
        else:
            filling.append(([index], length))
            if len(filling) > _OPEN or most == 1:
                full.append(filling.pop(0)[0])
    full += [samples for samples, _ in filling]
    return [np.array(samples, dtype=np.int64) for samples in full]


def plan_packs(lengths: Ints, samples: Ints, *, max_pack_tokens: int) -> list[Ints]:
    """Share samples out to forward passes, each as full as the samples left can make it.

    A last one of a few tokens costs nearly what a full one does where weights are dequantised or kernels started for
    it.

    Args:
        lengths: Tokens of every sample there is; shape (all samples,).
        samples: Indices of those to pack; shape (samples,).
        max_pack_tokens: Tokens that fit into a forward pass; a longer sample gets one of its own.

    Returns:
        Indices of samples, one array a forward pass.
    """
    left = samples[np.argsort(-lengths[samples], kind="stable")]
    packs: list[Ints] = []
    while len(left):
        candidates = np.arange(len(left))
        if len(left) > 2 * _CANDIDATES:
            candidates = np.concatenate((candidates[:_CANDIDATES], candidates[-_CANDIDATES:]))
        sizes = lengths[left[candidates]].tolist()
        taken = candidates[_fill(sizes, max_pack_tokens) if sizes[0] < max_pack_tokens else [0]]
        packs.append(left[taken])
        left = np.delete(left, taken)
    return packs


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
