"""Checkpoints: written whole, readable by the owner alone, and those of versions before."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from training.loop.checkpoint import Checkpoint


def make_checkpoint(step: int = 3) -> Checkpoint:
    return Checkpoint(
        step=step,
        weights={"a": torch.arange(4.0)},
        optimizer={"state": {}, "param_groups": []},
        scaler={},
        max_pack_tokens=512,
        checkpointing=True,
        tokens=99,
    )


def test_a_checkpoint_comes_back_as_it_was(tmp_path: Path) -> None:
    file = tmp_path / "checkpoint.pt"
    make_checkpoint().save(file)
    loaded = Checkpoint.load(file, "cpu")
    assert loaded is not None
    assert torch.equal(loaded.weights["a"], torch.arange(4.0))
    assert (loaded.step, loaded.max_pack_tokens, loaded.checkpointing, loaded.tokens) == (3, 512, True, 99)
    assert file.stat().st_mode & 0o777 == 0o600


def test_the_newest_replaces_the_one_before_and_leaves_no_draft(tmp_path: Path) -> None:
    file = tmp_path / "checkpoint.pt"
    for step in (1, 2):
        make_checkpoint(step).save(file)
    loaded = Checkpoint.load(file, "cpu")
    assert loaded is not None and loaded.step == 2
    assert [path.name for path in tmp_path.iterdir()] == ["checkpoint.pt"]


def test_a_checkpoint_that_can_not_be_written_leaves_the_one_before(tmp_path: Path) -> None:
    file = tmp_path / "checkpoint.pt"
    make_checkpoint(1).save(file)
    unwritable = Checkpoint(
        step=2,
        weights={},
        optimizer={"state": lambda: None},  # what pickle refuses
        scaler={},
        max_pack_tokens=1,
        checkpointing=False,
        tokens=0,
    )
    with pytest.raises(Exception, match=r"pickle|local object"):
        unwritable.save(file)
    loaded = Checkpoint.load(file, "cpu")
    assert loaded is not None and loaded.step == 1


def test_a_run_without_a_checkpoint_has_none(tmp_path: Path) -> None:
    assert Checkpoint.load(tmp_path / "checkpoint.pt", "cpu") is None


def test_a_checkpoint_of_the_version_before_is_read(tmp_path: Path) -> None:
    file = tmp_path / "checkpoint.pt"
    values = {"step": 7, "weights": {}, "optimizer": {}, "scaler": {}, "checkpointing": False, "tokens": 5}
    torch.save({**values, "row_tokens": 2048}, file)
    loaded = Checkpoint.load(file, "cpu")
    assert loaded is not None
    assert (loaded.step, loaded.max_pack_tokens) == (7, 2048)
