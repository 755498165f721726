"""Muon for many small matrices: equal shapes are orthogonalised as one batch."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor

COEFFICIENTS = (3.4445, -4.775, 2.0315)


def orthogonalise(updates: Tensor, *, steps: int = 5) -> Tensor:
    """Bring the singular values of matrices near 1 by Newton-Schulz iterations in bfloat16.

    Args:
        updates: Shape (matrices, rows, columns).
        steps: Iterations.

    Returns:
        The same shape, bfloat16.

    Source: Keller Jordan, "Muon: an optimizer for hidden layers", 2024; the coefficients are also torch.optim.Muon's.
    """
    a, b, c = COEFFICIENTS
    tall = updates.size(-2) > updates.size(-1)
    x: Tensor = updates.bfloat16()
    x = x.mT if tall else x
    x = x / (x.norm(dim=(-2, -1), keepdim=True) + 1e-7)
    for _ in range(steps):
        gram = x @ x.mT
        x = a * x + (b * gram + c * gram @ gram) @ x
    return x.mT if tall else x


class BatchedMuon(torch.optim.Optimizer):
    """Step like torch.optim.Muon with `match_rms_adamw`, a whole shape at a time.

    torch's own goes matrix by matrix: at 56 matrices of width 384 its launches take longer than the arithmetic.

    Args:
        params: Matrices only.
        lr: Learning rate on AdamW's scale.
        weight_decay: Decoupled, times the learning rate.
        momentum: Share of the earlier updates that is kept, with Nesterov's look ahead.
    """

    def __init__(
        self, params: Iterable[Tensor], *, lr: float, weight_decay: float = 0.1, momentum: float = 0.95
    ) -> None:
        super().__init__(params, {"lr": lr, "weight_decay": weight_decay, "momentum": momentum})
        compiled = torch.cuda.is_available()
        self._orthogonalise: Callable[[Tensor], Tensor] = (
            torch.compile(orthogonalise, dynamic=False) if compiled else orthogonalise
        )

    @torch.no_grad()
    def step(self, closure: Any = None) -> None:  # type: ignore[override]  # never called with a closure here
        """Update every matrix that has a gradient."""
        for group in self.param_groups:
            by_shape: dict[torch.Size, list[Tensor]] = defaultdict(list)
            for parameter in group["params"]:
                if parameter.grad is not None:
                    by_shape[parameter.shape].append(parameter)
            for (rows, columns), matrices in by_shape.items():
                update = self._orthogonalise(self._accelerate(matrices, group["momentum"]))
                rate = group["lr"] * 0.2 * max(rows, columns) ** 0.5
                torch._foreach_mul_(matrices, 1 - group["lr"] * group["weight_decay"])
                torch._foreach_add_(matrices, list(update.to(matrices[0].dtype).unbind()), alpha=-rate)

    def _accelerate(self, matrices: list[Tensor], momentum: float) -> Tensor:
        gradients = torch.stack([matrix.grad for matrix in matrices if matrix.grad is not None])
        state = self.state[matrices[0]]
        speed = state.setdefault("speed", torch.zeros_like(gradients))
        speed.lerp_(gradients, 1 - momentum)
        return gradients.lerp(speed, momentum)
