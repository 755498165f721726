"""From the store to token arrays: what a run trains on, afresh or continuing, and what its manifest says."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from fakes import bubble
from models import make_tokenizer

from training.config import make_config
from training.data.prepare import prepare_data
from training.data.tokens import Tokens
from userbot.domain.errors import TooLittleDataError
from userbot.domain.messages import Chat, Origin
from userbot.store import Store
from userbot.store.adapters import Manifest
from userbot.store.runs import HELD_OUT, TRAIN

DAY_S = 86_400.0


@pytest.fixture
def tokenizer() -> Any:
    return make_tokenizer()


def talk(store: Store, days: range) -> None:
    """Store a conversation a day: two questions and two answers, ids 10 a day."""
    for day in days:
        store.messages.add(
            bubble(
                day * 10 + index,
                f"text number {day * 10 + index}",
                origin=Origin.OWNER if index % 2 else Origin.CONTACT,
                at_s=day * DAY_S + index * 30,
            )
            for index in range(1, 5)
        )


def prepare(store: Store, folder: Path, tokenizer: Any, parent: Manifest | None = None, **data: Any) -> dict[str, Any]:
    config = make_config("default", {"data": {"min_turns": 1, "chat_share": 1.0, **data}})
    folder.mkdir()
    return prepare_data(store, config, tokenizer=tokenizer, folder=folder, parent=parent)


def manifest(data: dict[str, Any]) -> Manifest:
    return Manifest(id="a1", base="tiny", created_at="2026-01-05T12:00:00+00:00", data=data)


def test_the_arrays_are_what_the_manifest_counts(store: Store, friend: Chat, tmp_path: Path, tokenizer: Any) -> None:
    store.consents.give(friend.id, by="Vera")
    talk(store, range(1, 21))

    data = prepare(store, tmp_path / "run", tokenizer)

    assert data["names_at"] == store.clock().isoformat()
    for name in (TRAIN, HELD_OUT):
        tokens = Tokens.open(tmp_path / "run" / name)
        assert data[name]["samples"] == len(tokens) > 0
        assert data[name]["tokens"] == len(tokens.ids)
        assert data[name]["learned_tokens"] == tokens.loss_mask.sum()
        assert data[name]["turns"] == 2 * len(tokens)
        assert set(tokens.chats.tolist()) == {friend.id}
        text = tokenizer.decode(tokens.ids[: tokens.lengths[0]][tokens.loss_mask[: tokens.lengths[0]]])
        assert tokens.characters[0] == len(text.replace("</s>", ""))
    assert data["text_format"] == "chat"
    assert "known" not in data
    assert data[TRAIN]["chats"]["101"]["last_id"] < data[HELD_OUT]["chats"]["101"]["first_id"]


def test_a_continued_run_trains_on_what_is_new_and_replays_as_much(
    store: Store, friend: Chat, tmp_path: Path, tokenizer: Any
) -> None:
    store.consents.give(friend.id, by="Vera")
    talk(store, range(1, 41))
    first = prepare(store, tmp_path / "r1", tokenizer)
    talk(store, range(41, 61))

    second = prepare(store, tmp_path / "r2", tokenizer, manifest(first))

    known_before = first["train"]["chats"]["101"]["last_id"]
    newest = second["train"]["chats"]["101"]["last_id"]
    assert second["new_samples"] == (newest - known_before) // 10
    assert second["replayed_samples"] == second["new_samples"]
    assert second["train"]["samples"] == 2 * second["new_samples"]
    assert second["held_out"]["chats"]["101"]["first_id"] > newest
    assert second["known"] == {"101": {"first_id": first["train"]["chats"]["101"]["first_id"], "last_id": newest}}


def test_what_a_grandparent_was_trained_on_is_not_new(
    store: Store, friend: Chat, tmp_path: Path, tokenizer: Any
) -> None:
    store.consents.give(friend.id, by="Vera")
    talk(store, range(1, 41))
    first = prepare(store, tmp_path / "r1", tokenizer)
    talk(store, range(41, 61))
    second = prepare(store, tmp_path / "r2", tokenizer, manifest(first), replay=0.0)
    talk(store, range(61, 81))

    third = prepare(store, tmp_path / "r3", tokenizer, manifest(second), replay=0.0)

    assert third["train"]["chats"]["101"]["first_id"] > second["train"]["chats"]["101"]["last_id"]


def test_a_continued_run_without_anything_new_is_refused(
    store: Store, friend: Chat, tmp_path: Path, tokenizer: Any
) -> None:
    store.consents.give(friend.id, by="Vera")
    talk(store, range(1, 41))
    first = prepare(store, tmp_path / "r1", tokenizer)

    with pytest.raises(TooLittleDataError, match="Nothing new to train on has arrived since adapter a1"):
        prepare(store, tmp_path / "r2", tokenizer, manifest(first))
