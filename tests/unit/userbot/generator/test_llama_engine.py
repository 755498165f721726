"""Starting and ending a llama.cpp server."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from userbot.domain.errors import GeneratorError
from userbot.generator.llama_engine import LlamaEngine
from userbot.generator.llama_process import LlamaConfig


def make_config(model: Path) -> LlamaConfig:
    """Return a small configuration."""
    return LlamaConfig(model=str(model), lora=None, api_key="key1", context_tokens=200, slots=1, threads=1)


def _read_command(process_id: int) -> bytes:
    """Return what everybody can read of a process; nothing where the system has no /proc."""
    shown = Path(f"/proc/{process_id}/cmdline")
    return shown.read_bytes() if shown.exists() else b""


async def test_engine_runs_until_it_is_ended_and_its_key_is_in_no_list_of_processes(tiny_gguf: Path) -> None:
    engine = await LlamaEngine.start(make_config(tiny_gguf))
    assert engine.is_running
    process_id = engine._process.pid
    assert b"key1" not in _read_command(process_id)
    await engine.end()
    with pytest.raises(ProcessLookupError):
        os.kill(process_id, 0)


async def test_model_that_is_none_is_an_error_that_names_it(tmp_path: Path) -> None:
    pytest.importorskip("xllamacpp")
    (tmp_path / "broken.gguf").write_bytes(b"nothing")
    with pytest.raises(GeneratorError, match=r"can't serve .*broken.gguf.*CLONE_GENERATOR__GGUF"):
        await LlamaEngine.start(make_config(tmp_path / "broken.gguf"))


async def test_process_that_says_nothing_in_time_is_ended(tiny_gguf: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("userbot.generator.llama_engine.START_S", 0.01)
    with pytest.raises(GeneratorError, match=r"not ready within 0.01 s \(TimeoutError\)"):
        await LlamaEngine.start(make_config(tiny_gguf))
