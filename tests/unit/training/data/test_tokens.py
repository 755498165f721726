"""Token arrays: samples laid end to end, in memory and on disk."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from training.data.tokens import Encoded, Tokens, flatten

SAMPLES = [Encoded([1, 10, 11, 2], [0, 0, 1, 1]), Encoded([1, 20, 2], [0, 1, 1]), Encoded([1, 30], [0, 1])]


@pytest.fixture
def tokens() -> Tokens:
    return flatten(SAMPLES, chats=[101, -5, 101], count=lambda ids: 10 * len(ids))


def test_samples_lie_end_to_end(tokens: Tokens) -> None:
    assert tokens.ids.tolist() == [1, 10, 11, 2, 1, 20, 2, 1, 30]
    assert tokens.loss_mask.astype(int).tolist() == [0, 0, 1, 1, 0, 1, 1, 0, 1]
    assert tokens.offsets.tolist() == [0, 4, 7, 9]
    assert tokens.chats.tolist() == [101, -5, 101]
    assert len(tokens) == 3


def test_lengths_and_supervised_tokens_are_those_of_each_sample(tokens: Tokens) -> None:
    assert tokens.lengths.tolist() == [4, 3, 2]
    assert tokens.supervised.tolist() == [2, 2, 1]


def test_characters_are_those_of_supervised_tokens(tokens: Tokens) -> None:
    assert tokens.characters.tolist() == [20, 20, 10]
    assert flatten(SAMPLES).characters.tolist() == [0, 0, 0]


def test_the_first_token_of_a_sample_is_never_supervised() -> None:
    tokens = flatten([Encoded([7, 8], [1, 1]), Encoded([9], [1])])
    assert tokens.loss_mask.tolist() == [False, True]
    assert len(tokens) == 1, "a sample without a supervised token is left out"


def test_a_sample_left_out_takes_its_chat_with_it() -> None:
    tokens = flatten([Encoded([1, 2], [0, 0]), Encoded([1, 3], [0, 1])], chats=[1, 2])
    assert tokens.chats.tolist() == [2]


def test_chats_must_be_as_many_as_samples() -> None:
    with pytest.raises(ValueError, match="shorter"):
        flatten(SAMPLES, chats=[1])


def test_no_samples_make_empty_arrays() -> None:
    tokens = flatten([])
    assert len(tokens) == 0
    assert tokens.offsets.tolist() == [0]
    assert (tokens.ids.dtype.name, tokens.loss_mask.dtype.name) == ("int32", "bool")


def test_what_is_saved_is_mapped_again_and_private(tokens: Tokens, tmp_path: Path) -> None:
    folder = tmp_path / "run" / "train"
    tokens.save(folder)
    opened = Tokens.open(folder)
    for name in Tokens.__slots__:
        assert getattr(opened, name).tolist() == getattr(tokens, name).tolist()
    assert isinstance(opened.ids, np.memmap)
    assert {path.stat().st_mode & 0o777 for path in folder.iterdir()} == {0o600}


def test_a_run_that_a_version_before_interrupted_is_opened(tokens: Tokens, tmp_path: Path) -> None:
    tokens.save(tmp_path)
    (tmp_path / "loss_mask.npy").rename(tmp_path / "learn.npy")
    assert Tokens.open(tmp_path).loss_mask.tolist() == tokens.loss_mask.tolist()


def test_a_folder_without_arrays_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        Tokens.open(tmp_path)


def test_importing_needs_no_torch() -> None:
    code = "import sys, training.data.tokens, training.data.prepare; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
