"""The data set written for other trainers."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import datasets
import example_tokenizers as tokenizers
import pytest
from fakes import bubble

from training.config import DataConfig
from training.data.dataset import DataSet, build
from training.data.export import check_target, export_datasets, export_jsonl
from training.data.render import Renderer
from userbot.domain.errors import ConfigError
from userbot.domain.messages import Chat, Origin, Turn
from userbot.store import Store


def count_words(turns: Sequence[Turn], system: str | None) -> int:
    return sum(1 + sum(len(text.split()) for text in turn.bubbles) for turn in turns)


@pytest.fixture
def full(store: Store, friend: Chat) -> Store:
    """Ten days of a conversation that the owner began."""
    store.consents.give(friend.id, by="Vera")
    for day in range(10):
        at_s = day * 86_400.0
        first, second = 10 * day + 1, 10 * day + 2
        store.messages.add(
            [
                bubble(first, f"morning {day}", origin=Origin.OWNER, at_s=at_s),
                bubble(first + 2, f"question {day}\nin two lines", at_s=at_s + 60),
                bubble(second + 2, f"answer {day}", origin=Origin.OWNER, at_s=at_s + 120),
                bubble(second + 3, "and more", origin=Origin.OWNER, at_s=at_s + 130),
            ]
        )
    return store


def make(store: Store, **changes: object) -> DataSet:
    config = DataConfig.model_validate({"min_turns": 1, "held_out": 0.2, "repeats": 100, **changes})
    return build(store, config, count_tokens=count_words)


def test_jsonl_has_the_messages_format(full: Store, tmp_path: Path) -> None:
    train, held_out = export_jsonl(make(full), tmp_path / "mine.jsonl")
    assert held_out.name == "mine.held_out.jsonl"
    rows = [json.loads(line) for line in train.read_text("utf-8").split("\n") if line]
    assert (len(rows), len(held_out.read_text("utf-8").strip().split("\n"))) == (8, 2)
    assert rows[0]["messages"] == [
        {"role": "system", "content": "Chat with Vera.", "train": False},
        {"role": "user", "content": "…", "train": False},
        {"role": "assistant", "content": "morning 0", "train": True},
        {"role": "user", "content": "question 0\u2028in two lines", "train": False},
        {"role": "assistant", "content": "answer 0\nand more", "train": True},
    ]
    assert {path.stat().st_mode & 0o777 for path in (train, held_out)} == {0o600}


def test_jsonl_over_a_file_of_others_becomes_private(full: Store, tmp_path: Path) -> None:
    target = tmp_path / "mine.jsonl"
    target.touch()
    target.chmod(0o644)
    assert {path.stat().st_mode & 0o777 for path in export_jsonl(make(full), target)} == {0o600}


def test_jsonl_goes_through_a_chat_template_as_other_trainers_do(full: Store, tmp_path: Path) -> None:
    train, _ = export_jsonl(make(full, system_line=False), tmp_path / "mine.jsonl")
    loaded = datasets.load_dataset("json", data_files=str(train), cache_dir=str(tmp_path / "cache"), split="train")
    data_set = make(full, system_line=False)
    tokenizer = tokenizers.byte_level()
    renderer = Renderer(tokenizer)
    for row, sample in zip(loaded, data_set.train, strict=True):
        text = tokenizer.apply_chat_template(row["messages"], tokenize=False)
        assert text.rstrip("\n") == tokenizer.decode(renderer.encode(sample).ids)


def test_jsonl_that_can_not_be_written_is_refused(full: Store, tmp_path: Path) -> None:
    target = tmp_path / "folder.jsonl"
    target.mkdir()
    with pytest.raises(ConfigError) as raised:
        export_jsonl(make(full), target)
    assert str(raised.value) == f"{target} can't be written: Is a directory. Choose another file."


@pytest.mark.parametrize("name", ["mine.jsonl", "folder", "empty", "saved"])
def test_export_takes_a_jsonl_file_or_a_folder_of_its_own(full: Store, tmp_path: Path, name: str) -> None:
    (tmp_path / "empty").mkdir()
    export_datasets(make(full), tmp_path / "saved")
    check_target(tmp_path / name)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("out.txt", "{} ends in .txt. Name a file that ends in .jsonl, or without an ending a folder for `datasets`."),
        ("no/such.jsonl", "The folder {parent} does not exist. Make it first: mkdir -p {parent}"),
        ("other", "The folder {} holds something else. Name a new one, or a file such as mine.jsonl."),
    ],
)
def test_export_to_another_place_is_refused(tmp_path: Path, name: str, text: str) -> None:
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "photo.jpg").touch()
    target = tmp_path / name
    with pytest.raises(ConfigError) as raised:
        check_target(target)
    assert str(raised.value) == text.format(target, parent=target.parent)


def test_datasets_on_disk_have_both_splits(full: Store, tmp_path: Path) -> None:
    path = export_datasets(make(full), tmp_path / "saved")
    loaded = datasets.load_from_disk(str(path))
    assert {name: len(split) for name, split in loaded.items()} == {"train": 8, "test": 2}
    assert loaded["train"][0]["messages"][-1] == {"role": "assistant", "content": "answer 0\nand more", "train": True}
    assert path.stat().st_mode & 0o777 == 0o700


def test_datasets_folder_that_can_not_be_written_is_refused(full: Store, tmp_path: Path) -> None:
    target = tmp_path / "file"
    target.touch()
    with pytest.raises(ConfigError) as raised:
        export_datasets(make(full), target)
    assert str(raised.value) == f"{target} can't be written: File exists. Choose another folder."
