"""The reference of the norm: torch's own result, and the gradient that autograd finds."""

from __future__ import annotations

import torch
from models import measure_error

from training.kernels.rms_norm import rms_norm, rms_norm_backward

EPS = 1e-5


def draw(*shape: int) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(sum(shape)), requires_grad=True)


def test_states_are_normalised_as_torch_does() -> None:
    states, weight = draw(6, 8), draw(8)
    expected = torch.nn.functional.rms_norm(states, (8,), weight, EPS)
    assert measure_error(rms_norm(states, weight, eps=EPS), expected) < 1e-6


def test_16_bit_states_are_normalised_in_float32_and_stay_16_bit() -> None:
    states, weight = (draw(6, 8).detach() * 300).half(), torch.ones(8, dtype=torch.float16)
    normed = rms_norm(states, weight, eps=EPS)  # the squares are beyond float16
    assert normed.dtype is torch.float16
    assert measure_error(normed, rms_norm(states.float(), weight.float(), eps=EPS)) < 1e-3


def test_the_gradient_is_that_of_autograd_plus_the_residual_connection() -> None:
    states, weight, upstream, residual_grad = draw(6, 8), draw(8), draw(2, 6, 8)[0], draw(2, 6, 8)[1]
    (expected,) = torch.autograd.grad(rms_norm(states, weight, eps=EPS), states, upstream)
    gradient = rms_norm_backward(upstream, states, weight, residual_grad, eps=EPS)
    assert measure_error(gradient, expected + residual_grad) < 1e-5
