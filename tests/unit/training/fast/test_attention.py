"""Which attention runs, and the check that it keeps the samples of a packed sequence apart."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from models import load_causal_lm, measure_error

from training.fast.attention import (
    PATHS,
    attend_packed,
    attend_per_sample,
    attend_varlen,
    choose_attention,
    measure_leakage,
    name_attention,
)
from training.kernels.attention import packed_attention
from training.model.causal_lm import CausalLM
from training.model.device import Device

CPU = Device(type="cpu", name="test", free_bytes=2**30, bfloat16=False)


class Mixing(torch.nn.Module):
    """Leaves position ids and cu_seqlens out, as models do that know nothing of packing."""

    def __init__(self, body: torch.nn.Module) -> None:
        super().__init__()
        self.body = body

    def forward(self, input_ids: torch.Tensor, **_: object) -> object:
        return self.body(input_ids=input_ids, use_cache=False)


def mix(lm: CausalLM) -> CausalLM:
    return replace(lm, body=Mixing(lm.body))


def test_the_quickest_right_path_is_chosen(mistral: Path) -> None:
    lm = load_causal_lm(mistral, attention="sdpa")
    path, line = choose_attention(lm, CPU, max_tokens=64)
    assert path == "per_sample"
    assert line.startswith("attention: per_sample, samples kept apart (checked, relative error ")
    assert lm.model.config._attn_implementation == name_attention("per_sample") == "clone_per_sample"


@pytest.mark.parametrize("requested", ["sdpa", "per_sample", "unpacked"])
def test_a_path_that_is_requested_is_taken(mistral: Path, requested: str) -> None:
    path, _ = choose_attention(load_causal_lm(mistral), CPU, requested=requested, max_tokens=64)
    assert path == requested


@pytest.mark.parametrize("requested", ["packed", "varlen"])
def test_a_path_that_does_not_run_here_is_replaced_by_masks(mistral: Path, requested: str) -> None:
    path, line = choose_attention(load_causal_lm(mistral), CPU, requested=requested, max_tokens=64)
    assert path == "sdpa"
    assert f"; not {requested}: " in line


def test_a_window_shorter_than_a_sample_is_left_to_the_masks_of_transformers(mistral: Path) -> None:
    lm = load_causal_lm(mistral)
    lm.model.config.sliding_window = 16
    path, line = choose_attention(lm, CPU, max_tokens=64)
    assert path == "sdpa"
    assert "not per_sample: the model's window is shorter than a sample" in line


def test_a_model_that_mixes_samples_whatever_is_done_is_not_packed(mistral: Path) -> None:
    path, line = choose_attention(mix(load_causal_lm(mistral)), CPU, max_tokens=64)
    assert path == "unpacked"
    assert "per_sample: mixes samples" in line


def test_the_check_sees_samples_that_mix(mistral: Path) -> None:
    lm = load_causal_lm(mistral)
    assert measure_leakage(lm) == pytest.approx((0, 0), abs=1e-5)
    assert min(measure_leakage(mix(lm))) > 1e-2


def test_only_paths_of_this_project_have_names_of_its_own() -> None:
    assert [name_attention(path) for path in PATHS] == [
        "clone_packed",
        "clone_varlen",
        "clone_per_sample",
        "sdpa",
        "sdpa",
    ]


def draw(*, width: int = 8) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    query, key, value = (torch.randn(1, heads, 9, width, generator=generator) for heads in (4, 2, 2))
    return query, key, value


def test_samples_attend_one_by_one_as_the_reference_says() -> None:
    states = draw()
    cu_seqlens = torch.tensor([0, 4, 6, 9, 9], dtype=torch.int32)  # the end is repeated, as padding does
    attended, weights = attend_per_sample(torch.nn.Identity(), *states, None, scaling=0.3, cu_seq_lens_q=cu_seqlens)
    position_ids = torch.tensor([0, 1, 2, 3, 0, 1, 0, 1, 2])
    query, key, value = (part[0].transpose(0, 1) for part in states)
    expected, _ = packed_attention(query, key, value, position_ids, scale=0.3)
    assert weights is None
    assert measure_error(attended[0], expected) < 1e-6


@pytest.mark.parametrize("attend", [attend_varlen, attend_packed])
def test_without_the_samples_bounds_all_is_one_sample(attend: Callable[..., Any]) -> None:
    states = draw()
    expected, _ = attend_per_sample(torch.nn.Identity(), *states, None)
    assert torch.equal(attend(torch.nn.Identity(), *states, None)[0], expected)


@pytest.mark.parametrize("width", [8, 96])
def test_heads_that_the_kernel_does_not_know_are_refused(width: int) -> None:
    position_ids = torch.arange(9)[None]
    with pytest.raises(ValueError, match=f"^Heads are {width} numbers wide, which is no power of two from 16 up"):
        attend_packed(torch.nn.Identity(), *draw(width=width), None, position_ids=position_ids, max_length_q=9)
