"""What the tests of llama.cpp share."""

from __future__ import annotations

from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def tiny_gguf(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the embedded base as GGUF in float32, so that words can be compared to the letter."""
    for needed in ("torch", "gguf", "xllamacpp"):
        pytest.importorskip(needed)
    from training.export.gguf import write_base
    from training.model.base import load_tokenizer, resolve_base

    folder = tmp_path_factory.mktemp("gguf")
    base = resolve_base("tiny", models_dir=folder)
    write_base(Path(base.source), folder / "base.gguf", tokenizer=load_tokenizer(base), form="f32")
    return folder / "base.gguf"
