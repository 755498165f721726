"""Setting decoder layers up for torch.compile, and undoing it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from models import load_causal_lm

from training.fast.compile import compile_layers, find_layers, undo_compiling, will_compile


def test_the_decoder_layers_are_found_in_order(mistral: Path) -> None:
    lm = load_causal_lm(mistral)
    assert find_layers(lm) == list(lm.model.model.layers)


@pytest.mark.parametrize(
    ("setting", "device", "expected"),
    [(None, "cuda", True), (None, "cpu", False), (True, "cpu", True), (False, "cuda", False)],
)
def test_without_a_setting_the_device_decides(setting: bool | None, device: str, expected: bool) -> None:
    assert will_compile(setting, device) is expected


def test_layers_are_set_up_for_compiling_and_back(mistral: Path) -> None:
    lm = load_causal_lm(mistral)
    assert compile_layers(lm, setting=True) == (
        True,
        "layers: compiled with torch.compile, packed sequences padded to one length",
    )
    assert all(layer._compiled_call_impl is not None for layer in find_layers(lm))
    undo_compiling(lm)
    assert all(layer._compiled_call_impl is None for layer in find_layers(lm))


def test_on_a_cpu_layers_are_not_compiled_unless_asked_for(mistral: Path) -> None:
    lm = load_causal_lm(mistral)
    assert compile_layers(lm, setting=None) == (False, "layers: run as transformers wrote them, not compiled")
    assert all(layer._compiled_call_impl is None for layer in find_layers(lm))


def test_a_model_without_a_list_of_layers_is_left_alone(mistral: Path) -> None:
    lm = load_causal_lm(mistral)
    compiled, line = compile_layers(replace(lm, body=torch.nn.Identity()), setting=True)
    assert not compiled
    assert line == "layers: run as transformers wrote them, because no list of them is found in this model"
