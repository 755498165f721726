"""Continuing from an adapter: the samples it has not seen yet, and enough of the old ones that it forgets nothing."""

from __future__ import annotations

import random
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from training.data.samples import Sample
from userbot.domain.errors import TooLittleDataError
from userbot.store.runs import TRAIN

Ranges = Mapping[str, Mapping[str, int]]
"""By chat id: `first_id` and `last_id` of the messages that were supervised."""


@dataclass(frozen=True, slots=True)
class Choice:
    """Samples of a run that continues from an adapter.

    Args:
        samples: The new ones, then the replayed ones; whoever plans the updates shuffles them.
        new: Number of new samples.
        replayed: Number of replayed samples.
    """

    samples: tuple[Sample, ...]
    new: int
    replayed: int


def choose_samples(
    samples: Sequence[Sample], known: Ranges, *, replay: float, rng: random.Random, parent: str
) -> Choice:
    """Take all samples with something new in them, and a random part of the others.

    A sample is new when one of its supervised messages lies outside the range that the parent, or an adapter before it,
    was trained on in that chat. What was held out from the parent is therefore new.

    Args:
        samples: Training samples of the whole store.
        known: Ranges of message ids that were supervised before, from `list_known`.
        replay: Share of replayed samples among all that are returned, 0 to below 1; fewer where there are not so many.
        rng: Chooses the replayed samples.
        parent: Id of the parent, for the error.

    Returns:
        The chosen samples with their counts.

    Raises:
        TooLittleDataError: There is nothing new.
    """
    new = [sample for sample in samples if is_new(sample, known)]
    if not new:
        raise TooLittleDataError(
            f"Nothing new to train on has arrived since adapter {parent} was trained. Wait for new messages, or train "
            f"afresh: `clone train` without --parent."
        )
    old = [sample for sample in samples if not is_new(sample, known)]
    n_replayed = round(len(new) * replay / (1 - replay))
    replayed = rng.sample(old, min(n_replayed, len(old)))
    return Choice((*new, *replayed), len(new), len(replayed))


def is_new(sample: Sample, known: Ranges) -> bool:
    """Tell whether a sample has a supervised message outside the known ranges; mixed-in instructions are never new."""
    return not all(_is_known(sample, known))


def is_unseen(sample: Sample, known: Ranges) -> bool:
    """Tell whether no supervised message of a sample lies within the known ranges, so that it can be held out."""
    return not any(_is_known(sample, known))


def list_known(data: Mapping[str, Any]) -> Ranges:
    """Return the ranges that an adapter and those before it were trained on, from its manifest's `data`."""
    ranges: Ranges = data.get("known") or data.get(TRAIN, {}).get("chats", {})
    return ranges


def merge_ranges(parts: Iterable[Ranges]) -> dict[str, dict[str, int]]:
    """Return one range per chat that covers all the given ones of that chat."""
    merged: dict[str, dict[str, int]] = {}
    for part in parts:
        for chat, span in part.items():
            union = merged.setdefault(chat, {"first_id": span["first_id"], "last_id": span["last_id"]})
            union["first_id"] = min(union["first_id"], span["first_id"])
            union["last_id"] = max(union["last_id"], span["last_id"])
    return merged


def _is_known(sample: Sample, known: Ranges) -> list[bool]:
    span = known.get(str(sample.chat_id), {"first_id": 0, "last_id": -1})
    return [
        span["first_id"] <= message.id <= span["last_id"]
        for turn, supervised in zip(sample.turns, sample.supervised, strict=True)
        if supervised
        for message in turn.messages
    ]
