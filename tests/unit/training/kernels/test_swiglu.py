"""The references of the gated activation: torch's own result, autograd's gradient, and the low-rank products."""

from __future__ import annotations

import torch
from models import measure_error
from torch.nn.functional import silu

from training.kernels.swiglu import swiglu, swiglu_backward, swiglu_lora_backward

TOKENS, WIDTH, RANK = 6, 8, 3


def draw(*shape: int) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(sum(shape)), requires_grad=True)


def test_the_first_half_gates_the_second() -> None:
    gate_up = draw(TOKENS, 2 * WIDTH)
    expected = silu(gate_up[:, :WIDTH]) * gate_up[:, WIDTH:]
    assert measure_error(swiglu(gate_up), expected) < 1e-6


def test_the_backward_pass_gives_the_activation_again_and_the_gradient_of_autograd() -> None:
    gate_up, upstream = draw(TOKENS, 2 * WIDTH), draw(TOKENS, WIDTH)
    expected = swiglu(gate_up)
    (gradient,) = torch.autograd.grad(expected, gate_up, upstream)
    activation, gate_up_grad = swiglu_backward(gate_up, upstream)
    assert measure_error(activation, expected) < 1e-6
    assert measure_error(gate_up_grad, gradient) < 1e-6


def test_low_rank_products_are_made_of_the_same_numbers() -> None:
    gate_up, upstream = draw(TOKENS, 2 * WIDTH), draw(TOKENS, WIDTH)
    gate_lora_b, up_lora_b, down_lora_a = draw(WIDTH, RANK), draw(WIDTH, RANK) + 1, draw(RANK, WIDTH)
    activation, gradient = swiglu_backward(gate_up, upstream)
    results = swiglu_lora_backward(gate_up, upstream, gate_lora_b, up_lora_b, down_lora_a)
    assert torch.equal(results[0], activation)
    assert torch.equal(results[1], gradient)
    assert measure_error(results[2], activation @ down_lora_a.t()) < 1e-6
    assert measure_error(results[3][:, :RANK], gradient[:, :WIDTH] @ gate_lora_b) < 1e-6
    assert measure_error(results[3][:, RANK:], gradient[:, WIDTH:] @ up_lora_b) < 1e-6
