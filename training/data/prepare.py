"""From the store to token arrays: what a run trains on, and what its manifest says about it."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from training.config import TrainConfig
from training.data.dataset import DataReport, DataSet, Reason, Sample, build
from training.data.render import Renderer
from training.data.replay import choose_samples, is_unseen, list_known, merge_ranges
from training.data.tokens import Tokens, flatten
from userbot.store import Store
from userbot.store.adapters import Manifest
from userbot.store.runs import HELD_OUT, TRAIN


def prepare_data(
    store: Store, config: TrainConfig, *, tokenizer: Any, folder: Path, parent: Manifest | None = None
) -> dict[str, Any]:
    """Build the data set, encode it once, and write it as arrays.

    Args:
        store: Chats and messages.
        config: Rules for what becomes a sample.
        tokenizer: Tokenizer of the base model.
        folder: The run's folder; gets a folder of arrays for training and one for evaluation.
        parent: Adapter to continue from: the run trains on what is new to it, and on a replayed part of the rest.

    Returns:
        The manifest's `data`: text format, the time whose names the samples have, counts, and for each chat the range
        of message ids that were supervised.

    Raises:
        TooLittleDataError: There is too little to learn from, or nothing new to the parent.
        ConsentError: No chat has consent.
        ConfigError: The tokenizer or the file of instruction data can't be used.
    """
    renderer = Renderer(tokenizer, config.text_format)
    names_at = store.clock().isoformat()
    data_set = build(store, config.data, count_tokens=renderer.count, seed=config.seed)
    continuation: dict[str, Any] = {}
    if parent is not None:
        data_set, continuation = keep_new(data_set, parent, replay=config.data.replay, seed=config.seed)
    parts = {TRAIN: data_set.train, HELD_OUT: data_set.held_out}
    arrays = {name: encode(samples, renderer, tokenizer) for name, samples in parts.items()}
    for name, tokens in arrays.items():
        tokens.save(folder / name)
    counts = describe_data(data_set, arrays)
    if parent is not None:
        continuation["known"] = merge_ranges([list_known(parent.data), counts[TRAIN]["chats"]])
    kept_out = {"masked": dict(data_set.report.masked), "excluded": _count_excluded(data_set.report)}
    return {"text_format": renderer.text_format, "names_at": names_at, **counts, **continuation, **kept_out}


def _count_excluded(report: DataReport) -> dict[str, int]:
    """Return how many chats and messages the owner kept out; what they are is nobody's but the owner's to know."""
    left_out = report.left_out
    return {"chats": left_out.get(Reason.EXCLUDED_CHAT, 0), "messages": left_out.get(Reason.EXCLUDED, 0)}


def keep_new(data_set: DataSet, parent: Manifest, *, replay: float, seed: int) -> tuple[DataSet, dict[str, Any]]:
    """Reduce a data set to what is new to an adapter, with a replayed part of the rest.

    What the adapter was trained on is no held-out sample either, as long as others are left.

    Args:
        data_set: Everything in the store.
        parent: The adapter to continue from.
        replay: Share of replayed samples among the training samples, 0 to below 1.
        seed: Seed of the choice of replayed samples.

    Returns:
        The smaller data set, and the manifest's counts of new and replayed samples.

    Raises:
        TooLittleDataError: Nothing is new to the adapter.
    """
    known = list_known(parent.data)
    rng = random.Random(seed)  # noqa: S311 - a choice of samples, no secret
    choice = choose_samples(data_set.train, known, replay=replay, rng=rng, parent=parent.id)
    unseen = tuple(sample for sample in data_set.held_out if is_unseen(sample, known))
    kept = replace(data_set, train=choice.samples, held_out=unseen or data_set.held_out)
    return kept, {"new_samples": choice.new, "replayed_samples": choice.replayed}


def encode(samples: Sequence[Sample], renderer: Renderer, tokenizer: Any) -> Tokens:
    """Encode samples, and count the characters of the supervised text.

    Args:
        samples: Samples with at least one supervised turn each.
        renderer: Turns samples into token ids.
        tokenizer: The renderer's tokenizer; decodes the supervised tokens to count their characters.

    Returns:
        Token arrays, one sample per given sample, in the same order.
    """

    def count(ids: Sequence[int]) -> int:
        return len(tokenizer.decode(ids, skip_special_tokens=True))

    # flatten leaves out samples without a supervised token; the data set makes none, so counts and arrays agree.
    return flatten(map(renderer.encode, samples), chats=[sample.chat_id for sample in samples], count=count)


def describe_data(data_set: DataSet, arrays: dict[str, Tokens]) -> dict[str, Any]:
    """Return what a manifest says about a data set: counts and ranges of message ids, no text.

    Args:
        data_set: The data set.
        arrays: Its samples as tokens, by the names TRAIN and HELD_OUT.

    Returns:
        Plain values by the same names, ready for JSON.
    """
    counts: dict[str, Any] = {}
    for name, samples in ((TRAIN, data_set.train), (HELD_OUT, data_set.held_out)):
        tokens = arrays[name]
        counts[name] = {
            "samples": len(tokens),
            "tokens": int(tokens.lengths.sum()),
            "learned_tokens": int(tokens.supervised.sum()),
            "turns": sum(sum(sample.supervised) for sample in samples),
            "chats": _list_ranges(samples),
        }
    return counts


def _list_ranges(samples: Sequence[Sample]) -> dict[str, dict[str, int]]:
    """Return, for each chat, the first and last id of the supervised messages, and the number of supervised turns."""
    ranges: dict[str, dict[str, int]] = {}
    for sample in samples:
        for turn, supervised in zip(sample.turns, sample.supervised, strict=True):
            ids = [message.id for message in turn.messages]
            if not supervised or not ids:
                continue
            span = ranges.setdefault(str(sample.chat_id), {"first_id": ids[0], "last_id": ids[-1], "turns": 0})
            span["first_id"] = min(span["first_id"], *ids)
            span["last_id"] = max(span["last_id"], *ids)
            span["turns"] += 1
    return ranges
