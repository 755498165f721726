"""The adapter on a base: which layers get one, and one that fits another base is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from models import make_base

from training.config import LoraSettings, make_config
from training.model.base import load_base, resolve_base
from training.model.lora import attach_lora, find_targets, map_mismatch
from userbot.domain.errors import BaseMismatchError

LORA: LoraSettings = make_config("default", {"lora": {"r": 4}}).lora


def load(folder: Path, *, quantised: bool) -> Any:
    base = resolve_base(str(folder), models_dir=folder)
    return load_base(base, quantised=quantised, compute_dtype=torch.float32, device="cpu")[0]


def test_a_new_adapter_is_trainable_in_float32_and_the_base_is_not(mistral: Path) -> None:
    model, notes = attach_lora(load(mistral, quantised=False), LORA, seed=0)
    trained = {name: value for name, value in model.named_parameters() if value.requires_grad}
    assert notes == []
    assert len(trained) == 2 * 7 * 2
    assert all("lora_" in name and value.dtype is torch.float32 for name, value in trained.items())


def test_the_seed_decides_the_first_weights_and_other_draws_stay_as_they_were(mistral: Path) -> None:
    torch.manual_seed(5)
    expected = torch.rand(1)
    torch.manual_seed(5)
    adapters = [attach_lora(load(mistral, quantised=False), LORA, seed=seed)[0] for seed in (1, 1, 2)]
    assert torch.equal(torch.rand(1), expected)
    one, same, other = (
        torch.cat([value.flatten() for name, value in model.named_parameters() if "lora_A" in name])
        for model in adapters
    )
    assert torch.equal(one, same)
    assert not torch.equal(one, other)


def test_a_parent_is_continued_with_its_own_shape(mistral: Path, tmp_path: Path) -> None:
    parent, _ = attach_lora(load(mistral, quantised=False), LORA, seed=3)
    parent.save_pretrained(tmp_path / "parent")
    other = LORA.model_copy(update={"r": 2})
    child, _ = attach_lora(load(mistral, quantised=False), other, seed=4, parent=tmp_path / "parent")
    weights = dict(child.named_parameters())
    for name, value in parent.named_parameters():
        assert torch.equal(weights[name], value)
        assert weights[name].requires_grad == ("lora_" in name)


def test_missing_targets_fall_back_and_say_so(mistral: Path) -> None:
    _, notes = attach_lora(
        load(mistral, quantised=False), LORA.model_copy(update={"targets": ("q_proj", "c_attn")}), seed=0
    )
    assert notes == ["adapter: this model has no c_attn; the other targets are adapted"]
    model, notes = attach_lora(load(mistral, quantised=False), LORA.model_copy(update={"targets": ("c_attn",)}), seed=0)
    assert notes == ["adapter: this model has no c_attn, so all its linear layers are adapted"]
    assert sum("lora_A" in name for name, _ in model.named_parameters()) == 2 * 7


def test_a_parent_of_another_shape_is_refused(mistral: Path, tmp_path: Path) -> None:
    other = make_base(tmp_path / "other", hidden=128)
    attach_lora(load(other, quantised=False), LORA, seed=0)[0].save_pretrained(tmp_path / "adapter")
    with pytest.raises(BaseMismatchError, match=r"^The adapter adapter does not fit the loaded base model"):
        attach_lora(load(mistral, quantised=False), LORA, seed=0, parent=tmp_path / "adapter")


def test_targets_are_found_by_the_last_part_of_their_names(mistral: Path) -> None:
    model = load(mistral, quantised=False)
    assert find_targets(model, ("q_proj", "down_proj")) == (["q_proj", "down_proj"], [])
    assert find_targets(model, ("self_attn.q_proj",))[0] == "all-linear"


@pytest.mark.parametrize("error", [RuntimeError, ValueError, KeyError])
def test_a_mismatch_names_the_adapter_and_the_repair(error: type[Exception]) -> None:
    with (
        pytest.raises(BaseMismatchError, match=r"^The adapter ann does not fit .*`clone adapters show ann` names it"),
        map_mismatch(Path("/somewhere/ann")),
    ):
        raise error("size mismatch")
