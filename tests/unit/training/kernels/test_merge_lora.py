"""The reference of merging: the numbers that NF4 stands for, plus the adapter's product."""

from __future__ import annotations

from typing import Any

import bitsandbytes
import pytest
import torch
from models import measure_error

from training.kernels.merge_lora import NF4, can_merge_triton, merge_lora

OUTPUTS, INPUTS, RANK = 32, 128, 4


def make_adapter() -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(1)
    return torch.randn(RANK, INPUTS, generator=generator), torch.randn(OUTPUTS, RANK, generator=generator)


def quantise(*, nested: bool) -> Any:
    layer = bitsandbytes.nn.Linear4bit(INPUTS, OUTPUTS, bias=False, quant_type="nf4", compress_statistics=nested)
    layer.weight.data = torch.randn(OUTPUTS, INPUTS, generator=torch.Generator().manual_seed(0)) * 0.02
    return layer.to("cpu").weight


def dequantise(weight: Any) -> torch.Tensor:
    """Return the numbers that the packed bytes stand for, by the formula."""
    state = weight.quant_state
    scales = state.absmax
    if state.nested:
        levels = state.state2.code[state.absmax.long()]
        scales = levels * state.state2.absmax.repeat_interleave(state.state2.blocksize)[: len(levels)] + state.offset
    packed = weight.data.flatten()
    numbers = torch.tensor(NF4)[torch.stack((packed >> 4, packed & 15), dim=1).flatten().long()]
    whole: torch.Tensor = numbers.view(-1, state.blocksize) * scales[:, None]
    return whole.view(OUTPUTS, INPUTS)


@pytest.mark.parametrize("nested", [False, True])
def test_packed_weights_are_dequantised_and_the_product_is_added(nested: bool) -> None:
    weight, (lora_a, lora_b) = quantise(nested=nested), make_adapter()
    merged = merge_lora(weight, lora_a, lora_b, scale=0.5)
    assert merged.dtype is torch.float32
    assert measure_error(merged, dequantise(weight) + 0.5 * lora_b @ lora_a) < 1e-6


def test_plain_weights_get_the_product_added() -> None:
    weight, (lora_a, lora_b) = torch.randn(OUTPUTS, INPUTS), make_adapter()
    assert measure_error(merge_lora(weight, lora_a, lora_b, scale=2.0), weight + 2 * lora_b @ lora_a) < 1e-6


def test_the_kernel_takes_neither_plain_weights_nor_those_on_a_cpu() -> None:
    assert not can_merge_triton(torch.randn(OUTPUTS, INPUTS), rank=RANK)
    assert not can_merge_triton(quantise(nested=True), rank=RANK)
