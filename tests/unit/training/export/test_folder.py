"""An adapter's folder for vLLM and PEFT, and its model card."""

from __future__ import annotations

import json
import stat
from pathlib import Path

import peft
import pytest
import torch

from training.export.folder import check_target, choose_vllm_rank, find_vllm_limits, write_card, write_folder
from training.model.base import load_base, quiet_deprecations, resolve_base
from userbot.domain.errors import ConfigError
from userbot.store.adapters import AdapterShelf, Manifest

CONFIG = {"r": 16, "lora_alpha": 32, "target_modules": ["v_proj", "q_proj"]}


def test_folder_is_loaded_by_peft_and_is_the_same_adapter(base: Path, shelf: AdapterShelf, tmp_path: Path) -> None:
    write_folder(shelf.get("one"), shelf.path("one"), tmp_path / "out")
    logits = []
    for folder in (shelf.path("one"), tmp_path / "out"):
        model, _ = load_base(
            resolve_base(str(base), models_dir=base), quantised=False, compute_dtype=torch.float32, device="cpu"
        )
        with quiet_deprecations():
            adapted = peft.PeftModel.from_pretrained(model, folder)
        logits.append(adapted(torch.tensor([[5, 6, 7]])).logits)
    assert torch.equal(*logits)


def test_folder_is_private_and_holds_nothing_but_the_adapter(shelf: AdapterShelf, tmp_path: Path) -> None:
    target = tmp_path / "out"
    write_folder(shelf.get("one"), shelf.path("one"), target)
    assert sorted(path.name for path in target.iterdir()) == [
        "README.md",
        "adapter_config.json",
        "adapter_model.safetensors",
    ]
    modes = [stat.S_IMODE(path.stat().st_mode) for path in (target, *target.iterdir())]
    assert modes == [0o700, 0o600, 0o600, 0o600]
    assert json.loads((target / "adapter_config.json").read_text())["base_model_name_or_path"] == shelf.get("one").base


def test_card_names_no_chat_and_no_folder_of_this_machine(shelf: AdapterShelf) -> None:
    card = write_card(shelf.get("one"), CONFIG)
    assert "12 turns" in card and "--max-lora-rank 16" in card and "q_proj, v_proj" in card
    assert "77123" not in card
    assert str(Path(shelf.get("one").base).parent) not in card


def test_card_names_a_hub_s_base_where_the_hub_looks_for_it() -> None:
    card = write_card(Manifest(id="a", base="someone/base", created_at=""), CONFIG)
    assert card.splitlines()[2] == "base_model: someone/base"


@pytest.mark.parametrize(("rank", "limit"), [(1, 1), (4, 8), (16, 16), (17, 32), (64, 64), (600, 600)])
def test_rank_of_vllm_is_the_next_that_it_knows(rank: int, limit: int) -> None:
    assert choose_vllm_rank(rank) == limit


def test_what_vllm_can_not_load_is_said() -> None:
    assert find_vllm_limits(CONFIG) == ["vLLM: start it with --enable-lora --max-lora-rank 16 (its default is 16)"]
    limits = find_vllm_limits({"r": 1024, "modules_to_save": ["lm_head"], "use_dora": True})
    assert [line.split(":")[0].split(",")[0] for line in limits] == [
        "vLLM loads no adapter of rank 1024; 512 is its limit",
        "vLLM can't load whole layers",
        "vLLM can't load DoRA",
    ]


def test_nothing_is_overwritten(shelf: AdapterShelf, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("mine")
    for target in (tmp_path, tmp_path / "file"):
        with pytest.raises(ConfigError, match="exists already"):
            check_target(target)
    with pytest.raises(ConfigError, match="exists already"):
        write_folder(shelf.get("one"), shelf.path("one"), tmp_path)
    assert (tmp_path / "file").read_text() == "mine"
