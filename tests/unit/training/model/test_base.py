"""Base models: which one, loaded how, refused when 4 bit is not 4 bit."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import pytest
import torch
from models import make_base

from training.config import MISTRAL
from training.model.base import (
    check_quantised,
    count_4bit,
    dequantise_weights,
    keep_differentiable,
    load_base,
    load_tokenizer,
    quiet_deprecations,
    resolve_base,
)
from training.model.memory import count_4bit_bytes
from userbot.domain.errors import ConfigError, NotQuantisedError


def load(folder: Path, *, quantised: bool) -> torch.nn.Module:
    found = resolve_base(str(folder), models_dir=folder)
    model, _ = load_base(found, quantised=quantised, compute_dtype=torch.float32, device="cpu")
    return model  # type: ignore[no-any-return]  # transformers has no types


def test_the_device_chooses_the_base_when_none_is_configured(tmp_path: Path) -> None:
    small = resolve_base(None, models_dir=tmp_path, cuda=False)
    assert small.name == "tiny"
    assert (Path(small.source) / "model.safetensors").is_file()
    assert small.reason == "base: tiny, because no CUDA device is there and none is configured (CLONE_BASE)"
    large = resolve_base(None, models_dir=tmp_path, cuda=True)
    assert (large.name, large.source) == (MISTRAL, MISTRAL)


def test_a_folder_is_named_by_its_whole_path(mistral: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(mistral.parent)
    assert resolve_base("./mistral", models_dir=mistral).name == str(mistral)


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


def test_all_linear_layers_but_the_head_are_in_4_bit(mistral: Path) -> None:
    model = load(mistral, quantised=True)
    assert count_4bit(model) == 2 * 7
    assert not any(value.requires_grad for value in model.parameters())
    weights: Any = next(layer.weight for layer in model.modules() if type(layer).__name__ == "Linear4bit")
    state = weights.quant_state
    scales = state.absmax.numel() * state.absmax.itemsize + state.state2.absmax.numel() * state.state2.absmax.itemsize
    assert weights.numel() * weights.itemsize + scales == count_4bit_bytes(64 * 64)


def test_a_model_without_4_bit_layers_is_refused(mistral: Path, tmp_path: Path) -> None:
    with pytest.raises(NotQuantisedError) as caught:
        check_quantised(load(mistral, quantised=False), "some-base")
    assert str(caught.value) == (
        "4 bit was asked for, but 0 of 14 linear layers of some-base are 4-bit layers. Choose a base that bitsandbytes "
        "can quantise, or load this one as it is: --set load_in_4bit=false"
    )
    with pytest.raises(NotQuantisedError):
        load(make_base(tmp_path / "bare", layers=0), quantised=True)


def test_dequantised_values_are_those_of_4_bit(mistral: Path) -> None:
    packed = load(mistral, quantised=True)
    plain = dequantise_weights(load(mistral, quantised=True), torch.float32)
    assert count_4bit(plain) == 0
    ids = torch.arange(3, 40)[None]
    with torch.no_grad():
        assert torch.allclose(packed(ids).logits, plain(ids).logits, atol=1e-3)


def test_4_bit_layers_are_kept_from_being_repacked() -> None:
    layers: Any = torch.nn.ModuleList(torch.nn.Identity() for _ in range(2))
    layers[0].support_avx512bf16_for_cpu = True  # as bitsandbytes sets it on some CPUs
    keep_differentiable(layers)
    assert layers[0].support_avx512bf16_for_cpu is False
    assert not hasattr(layers[1], "support_avx512bf16_for_cpu")


def test_a_tokenizer_is_loaded_alone(mistral: Path) -> None:
    tokenizer = load_tokenizer(resolve_base(str(mistral), models_dir=mistral))
    assert tokenizer.decode(tokenizer.encode("привет", add_special_tokens=False)) == "привет"


def test_warnings_of_libraries_about_each_other_are_suppressed() -> None:
    with quiet_deprecations():
        warnings.warn("old", FutureWarning, stacklevel=1)
        warnings.warn("old", DeprecationWarning, stacklevel=1)
    with pytest.warns(FutureWarning, match="new"):
        warnings.warn("new", FutureWarning, stacklevel=1)
