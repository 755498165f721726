"""Without Triton, modules of kernels can be imported, and launching a kernel says what is missing."""

from __future__ import annotations

import importlib.util

import pytest
import torch

from training.kernels.attention import packed_attention_triton
from training.kernels.optional_triton import MissingTriton
from training.kernels.rms_norm import rms_norm_triton


def test_the_stand_in_keeps_constants_and_functions_as_they_are() -> None:
    triton = MissingTriton()
    assert triton.constexpr(3) == 3
    assert triton.jit(max) is max


def test_the_stand_in_refuses_everything_else() -> None:
    with pytest.raises(ImportError, match=r"^A kernel needs triton \(cdiv\), which is not installed"):
        MissingTriton().cdiv(3, 2)


@pytest.mark.skipif(importlib.util.find_spec("triton") is not None, reason="Triton is installed here")
def test_launching_a_kernel_without_triton_says_what_is_missing() -> None:
    states = torch.zeros(2, 1, 16)
    with pytest.raises(ImportError, match="comes with torch for CUDA"):
        rms_norm_triton(states[:, 0], torch.ones(16), eps=1e-5)
    with pytest.raises(ImportError, match="comes with torch for CUDA"):
        packed_attention_triton(states, states, states, torch.arange(2), scale=1.0)
