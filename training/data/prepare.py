"""From the store to arrays: what a run learns, and what its manifest says about it."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from training.config import TrainConfig
from training.data.dataset import DataSet, Sample, build
from training.data.render import Renderer
from training.data.replay import choose_samples, is_unseen, list_known, merge_ranges
from training.data.tokens import Tokens, flatten
from userbot.store import Store
from userbot.store.adapters import Manifest

TRAIN, HELD_OUT = "train", "held_out"


def prepare_data(
    store: Store, config: TrainConfig, *, tokenizer: Any, folder: Path, parent: Manifest | None = None
) -> dict[str, Any]:
    """Build the data set, encode it once, and write it as arrays.

    Args:
        store: Chats and messages.
        config: What becomes a sample.
        tokenizer: Of the base model.
        folder: The run's folder; gets a folder of arrays for training and one for evaluation.
        parent: Adapter to go on from: only what is new to it is learned, and a replayed part of the rest.

    Returns:
        What the manifest says: text format, counts, and for each chat the range of message ids that was learned.

    Raises:
        TooLittleDataError: There is too little to learn from, or nothing new to the parent.
        ConsentError: No chat has consent.
    """
    renderer = Renderer(tokenizer, config.text_format)
    found = build(store, config.data, count_tokens=renderer.count, seed=config.seed)
    going_on: dict[str, Any] = {}
    if parent is not None:
        found, going_on = keep_new(found, parent, replay=config.data.replay, seed=config.seed)
    parts = {TRAIN: found.train, HELD_OUT: found.held_out}
    arrays = {name: encode(samples, renderer, tokenizer) for name, samples in parts.items()}
    for name, tokens in arrays.items():
        tokens.save(folder / name)
    said = describe_data(found, arrays)
    if parent is not None:
        going_on["known"] = merge_ranges([list_known(parent.data), said[TRAIN]["chats"]])
    return {"text_format": renderer.text_format, **said, **going_on}


def keep_new(found: DataSet, parent: Manifest, *, replay: float, seed: int) -> tuple[DataSet, dict[str, Any]]:
    """Keep of a data set what is new to an adapter, with a replayed part of the rest.

    What it has learned is no held-out sample either, as long as others are left.

    Returns:
        The smaller data set, and the counts for the manifest.
    """
    known = list_known(parent.data)
    rng = random.Random(seed)  # noqa: S311 - a choice of samples, no secret
    choice = choose_samples(found.train, known, replay=replay, rng=rng, parent=parent.id)
    unseen = tuple(sample for sample in found.held_out if is_unseen(sample, known))
    kept = replace(found, train=choice.samples, held_out=unseen or found.held_out)
    return kept, {"new_samples": choice.new, "replayed_samples": choice.replayed}


def encode(samples: Sequence[Sample], renderer: Renderer, tokenizer: Any) -> Tokens:
    """Encode samples, counting the characters of what is learned."""

    def count(ids: Sequence[int]) -> int:
        return len(tokenizer.decode(ids, skip_special_tokens=True))

    # All samples need a supervised token, else flatten would leave one out; the data set makes no other.
    return flatten(map(renderer.encode, samples), chats=[sample.chat_id for sample in samples], count=count)


def describe_data(found: DataSet, arrays: dict[str, Tokens]) -> dict[str, Any]:
    """Return what a manifest says about a data set: counts and ranges, no words."""
    said: dict[str, Any] = {}
    for name, samples in ((TRAIN, found.train), (HELD_OUT, found.held_out)):
        tokens = arrays[name]
        said[name] = {
            "samples": len(tokens),
            "tokens": int(tokens.lengths.sum()),
            "learned_tokens": int(tokens.supervised.sum()),
            "turns": sum(sum(sample.supervised) for sample in samples),
            "chats": _list_ranges(samples),
        }
    return said


def _list_ranges(samples: Sequence[Sample]) -> dict[str, dict[str, int]]:
    """Return, for each chat, the first and last id of the supervised messages, and the number of supervised turns."""
    ranges: dict[str, dict[str, int]] = {}
    for sample in samples:
        for turn, supervised in zip(sample.turns, sample.supervised, strict=True):
            ids = [message.id for message in turn.messages]
            if not supervised or not ids:
                continue
            known = ranges.setdefault(str(sample.chat_id), {"first_id": ids[0], "last_id": ids[-1], "turns": 0})
            known["first_id"] = min(known["first_id"], *ids)
            known["last_id"] = max(known["last_id"], *ids)
            known["turns"] += 1
    return ranges
