"""The reference of the loss: torch's own, its gradient, and nothing from targets that are not supervised."""

from __future__ import annotations

import torch
from models import measure_error

from training.kernels.cross_entropy import cross_entropy_and_gradient

TARGETS = torch.tensor([1, 7, -1, 0, 3, -1])


def make_logits() -> torch.Tensor:
    return torch.randn(6, 8, generator=torch.Generator().manual_seed(0), requires_grad=True)


def test_loss_and_gradient_are_those_of_torch() -> None:
    logits = make_logits()
    expected = torch.nn.functional.cross_entropy(logits, TARGETS, reduction="sum", ignore_index=-1)
    (gradient,) = torch.autograd.grad(expected * 0.5, logits)
    loss, logits_grad = cross_entropy_and_gradient(logits, TARGETS, torch.tensor(0.5))
    assert measure_error(loss, expected) < 1e-6
    assert measure_error(logits_grad, gradient) < 1e-6


def test_a_token_that_is_not_supervised_has_no_gradient() -> None:
    _, gradient = cross_entropy_and_gradient(make_logits(), TARGETS, torch.tensor(1.0))
    assert [int(row.count_nonzero()) for row in gradient] == [8, 8, 0, 8, 8, 0]


def test_16_bit_logits_give_a_16_bit_gradient_and_a_float32_loss() -> None:
    logits = make_logits().detach().bfloat16()
    loss, gradient = cross_entropy_and_gradient(logits, TARGETS, torch.tensor(1.0))
    assert (loss.dtype, gradient.dtype) == (torch.float32, torch.bfloat16)
