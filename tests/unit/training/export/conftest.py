"""A small base with an adapter, for all forms of export."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from models import make_base

from training.config import make_config
from training.model.base import load_base, resolve_base
from training.model.lora import attach_lora
from userbot.store.adapters import AdapterShelf, Manifest


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_base(tmp_path_factory.mktemp("base") / "mistral")


@pytest.fixture(scope="module")
def shelf(base: Path) -> AdapterShelf:
    """Make a shelf with one adapter that changes what the base says."""
    shelf = AdapterShelf(base.parent / "adapters")
    model, _ = load_base(
        resolve_base(str(base), models_dir=base), quantised=False, compute_dtype=torch.float32, device="cpu"
    )
    adapted, _ = attach_lora(model, make_config("default", {"lora": {"r": 4}}).lora, seed=3)
    torch.manual_seed(5)
    for key, value in adapted.named_parameters():
        if "lora_B" in key:
            torch.nn.init.normal_(value, std=0.3)
    manifest = Manifest(
        id="one", base=str(base), created_at="2026-01-05", data={"train": {"turns": 12, "chats": {"77123": [1, 9]}}}
    )
    with shelf.write(manifest) as folder:
        adapted.save_pretrained(folder)
    return shelf
