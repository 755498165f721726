"""The optimisers of pretraining: Muon against its definition, and the schedule of the rates."""

from __future__ import annotations

import argparse

import pytest
import torch

from tools.tiny.optimizer import BatchedMuon, build_optimizers, orthogonalise, scale_rate

ARGS = argparse.Namespace(optimizer="muon", matrix_rate=3e-3, table_rate=2e-3, decay=0.1, table_decay=0.2)


class Model(torch.nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.embed_tokens = torch.nn.Embedding(8, 4)
        self.linear = torch.nn.Linear(4, 6)


@pytest.mark.parametrize("shape", [(3, 16, 16), (2, 8, 24), (2, 24, 8)])
def test_singular_values_come_near_one(shape: tuple[int, ...]) -> None:
    matrices = torch.randn(shape, generator=torch.Generator().manual_seed(1))
    values = torch.linalg.svdvals(orthogonalise(matrices).float())
    assert orthogonalise(matrices).shape == shape
    assert values.min() > 0.3
    assert values.max() < 1.6


def test_a_step_of_a_batch_is_that_of_each_matrix_alone() -> None:
    generator = torch.Generator().manual_seed(2)
    weights = [torch.randn(shape, generator=generator) for shape in ((8, 8), (8, 16), (8, 8))]
    gradients = [torch.randn(weight.shape, generator=generator) for weight in weights]
    together = [torch.nn.Parameter(weight.clone()) for weight in weights]
    alone = [torch.nn.Parameter(weight.clone()) for weight in weights]
    optimizers = [BatchedMuon(together, lr=0.1), *(BatchedMuon([parameter], lr=0.1) for parameter in alone)]
    for _ in range(2):
        for parameter, gradient in zip([*together, *alone], gradients * 2, strict=True):
            parameter.grad = gradient.clone()
        for optimizer in optimizers:
            optimizer.step()
    for first, second in zip(together, alone, strict=True):
        assert torch.allclose(first, second, atol=1e-2)


def test_a_matrix_without_gradient_is_left_alone() -> None:
    parameters = [torch.nn.Parameter(torch.ones(4, 4)), torch.nn.Parameter(torch.ones(4, 4))]
    parameters[0].grad = torch.ones(4, 4)
    BatchedMuon(parameters, lr=0.1).step()
    assert not parameters[0].eq(1).all()
    assert parameters[1].eq(1).all()


@pytest.mark.parametrize("optimizer", ["muon", "adamw"])
def test_each_parameter_is_trained_by_one_optimizer(optimizer: str) -> None:
    model = Model()
    optimizers = build_optimizers(model, argparse.Namespace(**{**vars(ARGS), "optimizer": optimizer}))
    groups = [group for each in optimizers for group in each.param_groups]
    trained = [parameter for group in groups for parameter in group["params"]]
    assert sorted(map(id, trained)) == sorted(map(id, model.parameters()))
    decays = {id(parameter): group["weight_decay"] for group in groups for parameter in group["params"]}
    assert decays[id(model.linear.bias)] == 0
    assert decays[id(model.linear.weight)] == 0.1
    assert decays[id(model.embed_tokens.weight)] == 0.2
    rates = {id(parameter): group["peak"] for group in groups for parameter in group["params"]}
    assert (rates[id(model.linear.weight)], rates[id(model.embed_tokens.weight)]) == (3e-3, 2e-3)


@pytest.mark.parametrize(
    ("progress", "expected"), [(0.0, 0.0), (0.015, 0.5), (0.03, 1.0), (0.4, 1.0), (0.7, 0.5), (1.0, 0.0)]
)
def test_the_rate_rises_stays_and_falls(progress: float, expected: float) -> None:
    assert scale_rate(progress) == pytest.approx(expected)
