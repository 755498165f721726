"""The files that llama.cpp reads, converted once."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from training.export.llama_cpp import LARGE, SMALL, can_convert, choose_form, prepare_base, write_adapter
from userbot.domain.errors import ConfigError
from userbot.store.adapters import AdapterShelf

pytest.importorskip("gguf")


def test_base_is_converted_once_and_again_when_its_weights_change(base: Path, tmp_path: Path) -> None:
    first = prepare_base(str(base), models=tmp_path)
    made_at = first.stat().st_mtime_ns
    assert prepare_base(str(base), models=tmp_path) == first
    assert first.stat().st_mtime_ns == made_at
    os.utime(base / "model.safetensors")
    assert prepare_base(str(base), models=tmp_path) != first
    assert {path.suffixes[-2:] == [f".{SMALL}", ".gguf"] for path in tmp_path.iterdir()} == {True}


def test_large_base_takes_half_the_memory(base: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert choose_form(base) == SMALL
    monkeypatch.setattr("training.export.llama_cpp.SMALL_BYTES", 10)
    assert choose_form(base) == LARGE


def test_file_that_was_given_is_used_as_it_is(tmp_path: Path) -> None:
    given = tmp_path / "mine.gguf"
    with pytest.raises(ConfigError, match=r"no GGUF file .*mine.gguf"):
        prepare_base("tiny", models=tmp_path, given=given)
    given.write_bytes(b"GGUF")
    assert prepare_base("tiny", models=tmp_path, given=given) == given


def test_adapter_is_written_for_its_base(base: Path, shelf: AdapterShelf, tmp_path: Path) -> None:
    write_adapter(shelf.path("one"), tmp_path / "one.gguf", base=str(base), models=tmp_path)
    assert (tmp_path / "one.gguf").read_bytes().startswith(b"GGUF")


def test_only_known_kinds_of_bases_that_are_here_can_be_converted(base: Path, tmp_path: Path) -> None:
    assert can_convert(str(base), models=tmp_path)
    assert not can_convert(str(tmp_path / "none"), models=tmp_path)
