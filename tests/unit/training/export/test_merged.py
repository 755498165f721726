"""A base with an adapter added to its weights."""

from __future__ import annotations

import stat
from pathlib import Path

import peft
import pytest
import torch

from training.export.merged import write_merged
from training.model.base import load_base, quiet_deprecations, resolve_base
from userbot.domain.errors import ConfigError
from userbot.store.adapters import AdapterShelf


def test_merged_weights_say_what_base_and_adapter_say(base: Path, shelf: AdapterShelf, tmp_path: Path) -> None:
    target = tmp_path / "merged"
    write_merged(shelf.get("one"), shelf.path("one"), target, models=base)
    ids = torch.tensor([[5, 6, 7, 8]])
    logits = []
    for source, adapter in ((base, shelf.path("one")), (base, None), (target, None)):
        model, _ = load_base(
            resolve_base(str(source), models_dir=base), quantised=False, compute_dtype=torch.float32, device="cpu"
        )
        with quiet_deprecations():
            loaded = model if adapter is None else peft.PeftModel.from_pretrained(model, adapter)
        logits.append(loaded(ids).logits)
    adapted, bare, merged = logits
    assert torch.nn.functional.cosine_similarity(adapted, merged, dim=-1).min() > 0.99
    assert (adapted - merged).norm() < 0.05 * (adapted - bare).norm()
    assert {stat.S_IMODE(path.stat().st_mode) for path in target.iterdir()} == {0o600}


def test_nothing_is_overwritten(base: Path, shelf: AdapterShelf, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("mine")
    with pytest.raises(ConfigError, match="exists already"):
        write_merged(shelf.get("one"), shelf.path("one"), tmp_path, models=base)
