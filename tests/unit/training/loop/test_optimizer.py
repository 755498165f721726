"""The optimiser, set back to its first step, and the course of the learning rate."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from training.config import make_config
from training.loop.optimizer import compute_rate_share, make_optimizer, reset_optimizer, set_rate


def make_parameters() -> list[torch.nn.Parameter]:
    # bitsandbytes keeps smaller ones in 32 bit
    return [torch.nn.Parameter(torch.randn(128, 64, generator=torch.Generator().manual_seed(0)))]


def step(optimizer: torch.optim.Optimizer, parameters: list[torch.nn.Parameter]) -> None:
    for index, value in enumerate(parameters):
        value.grad = torch.randn(value.shape, generator=torch.Generator().manual_seed(index + 1))
    optimizer.step()


def test_the_learning_rate_rises_then_follows_its_schedule() -> None:
    shares = [compute_rate_share("linear", 2, step=step, total=6) for step in range(6)]
    assert shares == pytest.approx([1 / 3, 2 / 3, 1, 0.75, 0.5, 0.25])
    assert [compute_rate_share("constant", 0, step=step, total=6) for step in (0, 5)] == [1, 1]
    assert compute_rate_share("cosine", 0, step=3, total=6) == pytest.approx(0.5)


def test_a_rate_is_set_for_every_group_of_parameters() -> None:
    config = make_config("default", {"learning_rate": 0.1, "warmup_steps": 1, "schedule": "constant"})
    optimizer = make_optimizer(make_parameters(), config, device="cpu")
    assert [set_rate(optimizer, config, step=step, total=4) for step in (0, 1)] == pytest.approx([0.05, 0.1])
    assert [group["lr"] for group in optimizer.param_groups] == [0.1]


@pytest.mark.parametrize(
    ("name", "kind"), [("adamw", "torch.optim.adamw.AdamW"), ("paged_adamw_8bit", "bitsandbytes.optim.adamw.AdamW8bit")]
)
def test_main_memory_gets_no_pages(name: str, kind: str) -> None:
    optimizer = make_optimizer(make_parameters(), make_config("default", {"optimizer": name}), device="cpu")
    assert f"{type(optimizer).__module__}.{type(optimizer).__name__}" == kind


@pytest.mark.parametrize("name", ["adamw", "paged_adamw_8bit"])
def test_an_optimiser_that_was_reset_steps_as_a_new_one(name: str) -> None:
    config = make_config("default", {"optimizer": name, "learning_rate": 0.1})
    results: list[Any] = []
    for reset in (False, True):
        parameters = make_parameters()
        optimizer = make_optimizer(parameters, config, device="cpu")
        if reset:
            before = [value.detach().clone() for value in parameters]
            step(optimizer, parameters)
            assert not torch.equal(parameters[0], before[0])
            with torch.no_grad():
                parameters[0].copy_(before[0])
            reset_optimizer(optimizer)
        step(optimizer, parameters)
        results.append(parameters[0].detach())
    assert torch.equal(*results)
