"""The data set for other trainers: JSONL in the messages format, and `datasets` on disk."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from training.data.samples import DataSet, Sample
from userbot.domain.errors import ConfigError, MissingExtraError
from userbot.domain.text import OPENING, join_bubbles

HELD_OUT_SUFFIX = ".held_out"
JSONL = ".jsonl"
_SAVED_BEFORE = "dataset_dict.json"


def check_target(path: Path) -> None:
    """Make sure that an export can be written to a path, before the work of making it.

    Args:
        path: A file that ends in `.jsonl`, or a folder for `datasets`.

    Raises:
        ConfigError: Its name is neither that of a JSONL file nor of a folder, its parent does not exist, or the folder
            holds something else.
    """
    if not path.parent.is_dir():
        raise ConfigError(f"The folder {path.parent} does not exist. Make it first: mkdir -p {path.parent}")
    if path.is_dir():
        if any(path.iterdir()) and not (path / _SAVED_BEFORE).is_file():
            raise ConfigError(f"The folder {path} holds something else. Name a new one, or a file such as mine{JSONL}.")
    elif path.suffix not in ("", JSONL):
        raise ConfigError(
            f"{path} ends in {path.suffix}. Name a file that ends in {JSONL}, or without an ending a folder for "
            f"`datasets`."
        )


def name_held_out(path: Path) -> Path:
    """Return the path of the file for the held-out samples, beside that of the training samples."""
    return path.with_name(f"{path.stem}{HELD_OUT_SUFFIX}{path.suffix or JSONL}")


def export_jsonl(data_set: DataSet, path: Path) -> tuple[Path, Path]:
    """Write the training samples to `path`, and the held-out ones beside it, as `NAME.held_out.jsonl`.

    Each line is `{"messages": [{"role", "content", "train"}, …]}`, which TRL, LLaMA-Factory and axolotl read. `train`
    says which turns are supervised (axolotl: `message_field_training: train`); a trainer that ignores it also trains on
    the turns that are only context. Bubbles are lines; a line break inside one is U+2028. Files are private (0600).

    Args:
        data_set: The data set to write.
        path: The file for the training samples.

    Returns:
        The paths of both files, training samples first.

    Raises:
        ConfigError: They can't be written.
    """
    beside = name_held_out(path)
    try:
        for target, samples in ((path, data_set.train), (beside, data_set.held_out)):
            _write_private(target, (json.dumps(to_messages(sample), ensure_ascii=False) for sample in samples))
    except OSError as exc:
        raise ConfigError(f"{path} can't be written: {exc.strerror}. Choose another file.") from exc
    return path, beside


def export_datasets(data_set: DataSet, path: Path) -> Path:
    """Save a `datasets.DatasetDict` with the splits `train` and `test` into a folder; the column is `messages`.

    Args:
        data_set: The data set to save.
        path: The folder, made if missing.

    Returns:
        The folder.

    Raises:
        ConfigError: It can't be written.
        MissingExtraError: The package `datasets` is not installed.
    """
    try:
        import datasets
    except ImportError as exc:
        raise MissingExtraError(
            "Saving as `datasets` needs the extra `train`: pip install '.[train]' in the program's folder."
        ) from exc
    message = {"role": datasets.Value("string"), "content": datasets.Value("string"), "train": datasets.Value("bool")}
    features = datasets.Features({"messages": [message]})
    splits = {"train": data_set.train, "test": data_set.held_out}
    dataset_dict = datasets.DatasetDict(
        {
            name: datasets.Dataset.from_list([to_messages(sample) for sample in samples], features=features)
            for name, samples in splits.items()
        }
    )
    try:
        path.mkdir(exist_ok=True, mode=0o700)
        path.chmod(0o700)
        dataset_dict.save_to_disk(str(path))
    except OSError as exc:
        raise ConfigError(f"{path} can't be written: {exc.strerror}. Choose another folder.") from exc
    return path


def to_messages(sample: Sample) -> dict[str, Any]:
    """Write a sample in the messages format; where the owner begins, a user message `…` stands first.

    Args:
        sample: The sample.

    Returns:
        `{"messages": [{"role": …, "content": …, "train": …}, …]}`.
    """
    messages = [{"role": "system", "content": sample.system, "train": False}] if sample.system else []
    if sample.turns[0].mine:
        messages.append({"role": "user", "content": OPENING, "train": False})
    for turn, supervised in zip(sample.turns, sample.supervised, strict=True):
        role = "assistant" if turn.mine else "user"
        messages.append({"role": role, "content": join_bubbles(turn.bubbles), "train": supervised})
    return {"messages": messages}


def _write_private(path: Path, lines: Iterable[str]) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        os.fchmod(descriptor, 0o600)  # the file may have been there, readable by others
        file.writelines(f"{line}\n" for line in lines)
