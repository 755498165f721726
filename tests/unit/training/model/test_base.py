"""Base models: which one, loaded how, refused when 4 bit is not 4 bit."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import pytest
import torch
from models import make_base

from training.config import MISTRAL, LoraSettings, adapt_to_base, make_config
from training.model import hub
from training.model.base import attach_lora, check_quantised, count_4bit, dequantise_weights, load_base, resolve_base
from training.model.memory import count_4bit_bytes
from userbot.domain.errors import BaseMismatchError, ConfigError, NotQuantisedError

LORA: LoraSettings = make_config("default", {"lora": {"r": 4}}).lora


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_base(tmp_path_factory.mktemp("base") / "mistral")


def load(folder: Path, *, quantised: bool) -> torch.nn.Module:
    found = resolve_base(str(folder), models_dir=folder)
    model, _ = load_base(found, quantised=quantised, compute_dtype=torch.float32, device="cpu")
    return model  # type: ignore[no-any-return]  # transformers has no types


def test_the_machine_chooses_the_base_when_none_is_configured(tmp_path: Path) -> None:
    small = resolve_base(None, models_dir=tmp_path, cuda=False)
    assert small.name == "tiny"
    assert (Path(small.source) / "model.safetensors").is_file()
    assert small.reason == "base: tiny, because no CUDA device is there and none is configured (CLONE_BASE)"
    large = resolve_base(None, models_dir=tmp_path, cuda=True)
    assert (large.name, large.source) == (MISTRAL, MISTRAL)


def test_a_folder_is_named_by_its_whole_path(base: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(base.parent)
    assert resolve_base("./mistral", models_dir=base).name == str(base)


def test_a_missing_folder_is_not_taken_for_a_hub_name(tmp_path: Path) -> None:
    with pytest.raises(
        ConfigError, match=r"^The base model folder \./nowhere does not exist\. Check --base or CLONE_BASE"
    ):
        resolve_base("./nowhere", models_dir=tmp_path)


def test_a_folder_without_a_model_says_so(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(ConfigError, match=r"can't be loaded: .* Check that it is a causal language model"):
        load(tmp_path / "empty", quantised=False)


def test_a_name_that_is_no_hub_name_is_explained(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"^No model 'not a name' is on the hub, nor a folder of that name here"):
        load_base(resolve_base("not a name", models_dir=tmp_path), quantised=False, compute_dtype=torch.float32)


def test_without_a_network_the_text_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(ConfigError, match=r"is not on this device, and the hub can't be reached"):
        load_base(resolve_base("someone/something", models_dir=tmp_path), quantised=False, compute_dtype=torch.float32)


def test_where_the_hub_is_away_it_is_asked_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from huggingface_hub import constants

    def sleep(seconds: float) -> None:
        raise AssertionError("something is tried again")

    monkeypatch.setattr(constants, "ENDPOINT", "http://127.0.0.1:1")
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr(hub, "PATIENCE_S", 0)
    monkeypatch.setattr(time, "sleep", sleep)
    hub.is_hub_unreachable.cache_clear()
    try:
        with pytest.raises(ConfigError, match=r"is not on this device, and the hub can't be reached"):
            load_base(resolve_base("one/two", models_dir=tmp_path), quantised=False, compute_dtype=torch.float32)
    finally:
        hub.is_hub_unreachable.cache_clear()
    assert constants.HF_HUB_OFFLINE is False


def test_downloads_keep_their_bars() -> None:
    from huggingface_hub.utils.tqdm import are_progress_bars_disabled
    from transformers.utils import logging

    hub.hide_loading_bars()
    assert not logging.is_progress_bar_enabled()
    assert not are_progress_bars_disabled()


def test_all_linear_layers_but_the_head_are_in_4_bit(base: Path) -> None:
    model = load(base, quantised=True)
    assert count_4bit(model) == 2 * 7
    assert not any(value.requires_grad for value in model.parameters())
    weights: Any = next(layer.weight for layer in model.modules() if type(layer).__name__ == "Linear4bit")
    state = weights.quant_state
    scales = state.absmax.numel() * state.absmax.itemsize + state.state2.absmax.numel() * state.state2.absmax.itemsize
    assert weights.numel() * weights.itemsize + scales == count_4bit_bytes(64 * 64)


def test_a_model_without_4_bit_layers_is_refused(base: Path, tmp_path: Path) -> None:
    with pytest.raises(NotQuantisedError) as caught:
        check_quantised(load(base, quantised=False), "some-base")
    assert str(caught.value) == (
        "4 bit was asked for, but 0 of 14 linear layers of some-base are 4-bit layers. Choose a base that bitsandbytes "
        "can quantise, or load this one as it is: --set load_in_4bit=false"
    )
    with pytest.raises(NotQuantisedError):
        load(make_base(tmp_path / "bare", layers=0), quantised=True)


def test_unpacked_values_are_those_of_4_bit(base: Path) -> None:
    packed = load(base, quantised=True)
    plain = dequantise_weights(load(base, quantised=True), torch.float32)
    assert count_4bit(plain) == 0
    ids = torch.arange(3, 40)[None]
    with torch.no_grad():
        assert torch.allclose(packed(ids).logits, plain(ids).logits, atol=1e-3)


def test_missing_targets_fall_back_and_say_so(base: Path) -> None:
    _, notes = attach_lora(
        load(base, quantised=False), LORA.model_copy(update={"targets": ("q_proj", "c_attn")}), seed=0
    )
    assert notes == ["adapter: this model has no c_attn; the other targets are adapted"]
    model, notes = attach_lora(load(base, quantised=False), LORA.model_copy(update={"targets": ("c_attn",)}), seed=0)
    assert notes == ["adapter: this model has no c_attn, so all its linear layers are adapted"]
    assert sum("lora_A" in name for name, _ in model.named_parameters()) == 2 * 7


def test_a_parent_of_another_shape_is_refused(base: Path, tmp_path: Path) -> None:
    other = make_base(tmp_path / "other", hidden=128)
    attach_lora(load(other, quantised=False), LORA, seed=0)[0].save_pretrained(tmp_path / "adapter")
    with pytest.raises(BaseMismatchError, match=r"^The adapter adapter does not fit the loaded base model"):
        attach_lora(load(base, quantised=False), LORA, seed=0, parent=tmp_path / "adapter")


def test_the_embedded_base_gets_a_preset_of_its_own() -> None:
    config, note = adapt_to_base(make_config("default", {"epochs": 2}), "tiny")
    assert (config.preset, config.learning_rate, config.epochs) == ("tiny", make_config("tiny").learning_rate, 2)
    assert note == "preset: tiny in place of default, because the base is tiny (--preset names another)"
    assert adapt_to_base(make_config("default"), MISTRAL) == (make_config("default"), None)
    assert adapt_to_base(make_config("small"), "tiny")[0].preset == "small"
    assert adapt_to_base(make_config("default", {"learning_rate": 3e-4}), "tiny")[0].learning_rate == 3e-4
    assert json.loads(config.model_dump_json())["preset"] == "tiny"
