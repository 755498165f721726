"""Estimates: parts that are measured here, and forward passes cut so that they fit."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from models import load_causal_lm

from training.config import make_config
from training.model.base import resolve_base
from training.model.device import GIB, Device
from training.model.memory import (
    Memory,
    ModelDims,
    advise,
    count_4bit_bytes,
    count_weight_bytes,
    estimate_memory,
    fit_plan,
    is_worth_dequantising,
    read_dims,
)

# Mistral-7B: counted from its published configuration.
MISTRAL_7B = ModelDims(
    linear=32 * (2 * 4096 * 4096 + 2 * 4096 * 1024 + 3 * 4096 * 14336),
    other=2 * 32000 * 4096 + 65 * 4096,
    adapter=32 * 8 * (2 * 8192 + 2 * 5120),
    layers=32,
    hidden=4096,
    widest=14336,
    outputs=2 * 4096 + 2 * 1024 + 2 * 14336 + 4096,
    vocabulary=32000,
)
H200 = Device(type="cuda", name="H200", free_bytes=138 * GIB, bfloat16=True, flash=True)
T4 = Device(type="cuda", name="T4", free_bytes=15 * GIB, bfloat16=False)


@pytest.mark.parametrize("quantised", [False, True])
def test_weights_and_adapter_are_counted_as_they_lie_in_memory(mistral: Path, quantised: bool) -> None:
    config = make_config("default", {"lora": {"r": 4}})
    dims = read_dims(resolve_base(str(mistral), models_dir=mistral), config.lora)
    model = load_causal_lm(mistral, quantised=quantised).model
    adapter = sum(value.numel() for value in model.parameters() if value.requires_grad)
    assert dims.adapter == adapter
    size = 0
    for value in model.parameters():
        if not value.requires_grad:
            size += value.numel() * value.itemsize
            if (state := getattr(value, "quant_state", None)) is not None:
                size += state.absmax.numel() * state.absmax.itemsize
                size += state.state2.absmax.numel() * state.state2.absmax.itemsize
    expected = count_weight_bytes(dims, quantised=quantised, dequantised=False, dtype=torch.float32)
    assert size == pytest.approx(expected, rel=0.002)


def test_the_dimensions_are_read_from_the_model(mistral: Path) -> None:
    dims = read_dims(resolve_base(str(mistral), models_dir=mistral), make_config().lora)
    assert (dims.layers, dims.hidden, dims.widest, dims.vocabulary) == (2, 64, 128, 259)
    assert dims.outputs == 64 + 2 * 32 + 64 + 2 * 128 + 64


def test_4_bit_takes_a_little_more_than_half_a_byte() -> None:
    assert count_4bit_bytes(2**20) / 2**20 == pytest.approx(0.5 + 1 / 64 + 4 / (64 * 256))


def test_the_model_of_activations_gives_the_figures_it_was_fitted_to() -> None:
    config = make_config("article", {"optimizer": "adamw"})
    written = estimate_memory(
        MISTRAL_7B, config, max_pack_tokens=9200, checkpointing=False, dtype=torch.bfloat16, compiled=False
    )
    compiled = estimate_memory(
        MISTRAL_7B, config, max_pack_tokens=8192, checkpointing=False, dtype=torch.bfloat16, compiled=True
    )
    assert written.total / GIB == pytest.approx(62.1, rel=0.05)
    assert compiled.total / GIB == pytest.approx(31.1, rel=0.05)


def test_a_large_card_runs_an_update_in_one_pass_without_recomputing() -> None:
    plan = fit_plan(MISTRAL_7B, make_config(), H200, max_seqlen=1024, dtype=torch.bfloat16)
    assert (plan.max_pack_tokens, plan.checkpointing, plan.fits) == (8192, False, True)
    assert advise(plan, make_config(), H200) is None


def test_a_small_card_gets_passes_that_fit() -> None:
    plan = fit_plan(MISTRAL_7B, make_config(), T4, max_seqlen=512, dtype=torch.float16, masked=True)
    assert plan.fits
    assert plan.memory.total < T4.free_bytes
    assert plan.max_pack_tokens < 8192 or plan.checkpointing


def test_what_does_not_fit_is_said_with_ways_out() -> None:
    tight = Device(type="cuda", name="small", free_bytes=4 * GIB, bfloat16=True)
    config = make_config("default", {"load_in_4bit": False})
    plan = fit_plan(MISTRAL_7B, config, tight, max_seqlen=1024, dtype=torch.bfloat16)
    assert not plan.fits
    assert advise(plan, config, tight) == (
        "memory: about 14.3 GiB are needed and 4.0 GiB are free. To need less: load the base in 4 bit "
        "(--set load_in_4bit=true), or --preset small, or shorter samples (--set data.max_tokens=512), or a smaller "
        "base (--base)."
    )


def test_what_is_configured_is_kept() -> None:
    config = make_config("small")
    plan = fit_plan(MISTRAL_7B, config, H200, max_seqlen=512, dtype=torch.bfloat16)
    assert (plan.max_pack_tokens, plan.checkpointing) == (4096, True)


def test_values_are_dequantised_on_a_cpu_with_memory_to_spare_only() -> None:
    cpu = Device(type="cpu", name="", free_bytes=16 * GIB, bfloat16=False)
    small = ModelDims(
        linear=12 * 10**6, other=10**6, adapter=1, layers=8, hidden=384, widest=1024, outputs=4000, vocabulary=4096
    )
    assert is_worth_dequantising(small, cpu, torch.float32)
    assert not is_worth_dequantising(MISTRAL_7B, cpu, torch.float32)
    assert not is_worth_dequantising(small, H200, torch.bfloat16)


def estimate(**options: Any) -> Memory:
    values: dict[str, Any] = {"max_pack_tokens": 4096, "checkpointing": False, "dtype": torch.bfloat16} | options
    return estimate_memory(MISTRAL_7B, make_config(), **values)


def test_each_way_to_save_memory_saves_some() -> None:
    assert estimate(checkpointing=True).activations < estimate().activations / 4
    assert estimate(max_pack_tokens=2048).activations == pytest.approx(estimate().activations / 2)
    assert estimate(compiled=True).total < estimate().total
    assert estimate(fused=True).total < estimate(compiled=True).total


def test_what_is_kept_and_masked_takes_more() -> None:
    assert estimate(fused=True, kept=True).weights > estimate(fused=True).weights
    assert estimate(masked=True).attention == 4096**2 * 2
    assert estimate().attention == 0
    assert estimate(dequantised=True).weights > 3 * estimate().weights


def test_parts_are_told_in_gib_with_their_sum() -> None:
    parts = estimate().to_json()
    assert set(parts) == {"weights", "adapter", "activations", "attention", "logits", "total"}
    assert parts["total"] == pytest.approx(sum(parts.values()) - parts["total"], abs=0.005)


def test_no_pass_is_shorter_than_the_longest_sample() -> None:
    tight = Device(type="cuda", name="small", free_bytes=GIB, bfloat16=True)
    plan = fit_plan(MISTRAL_7B, make_config(), tight, max_seqlen=777, dtype=torch.bfloat16)
    assert (plan.max_pack_tokens, plan.checkpointing, plan.fits) == (777, True, False)
