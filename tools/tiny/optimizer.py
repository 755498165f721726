"""Optimisers of pretraining: Muon for many small matrices, AdamW for the rest, and the schedule of their rates."""

from __future__ import annotations

import argparse
from collections import defaultdict
from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor, nn

COEFFICIENTS = (3.4445, -4.775, 2.0315)


def orthogonalise(updates: Tensor, *, steps: int = 5) -> Tensor:
    """Bring the singular values of matrices near 1 by Newton-Schulz iterations in bfloat16.

    Args:
        updates: A batch of matrices; shape (matrices, rows, columns).
        steps: Number of iterations.

    Returns:
        The orthogonalised matrices; the same shape, bfloat16.

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
    """Muon as torch.optim.Muon with `match_rms_adamw` has it, for all matrices of one shape at once.

    torch's own steps matrix by matrix: with 56 matrices of width 384 its kernel launches take longer than the
    arithmetic.

    Args:
        params: Parameters; matrices only.
        lr: Learning rate, on AdamW's scale.
        weight_decay: Decoupled weight decay; multiplied by the learning rate.
        momentum: Momentum, with Nesterov's look-ahead.
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
                update = self._orthogonalise(self._apply_momentum(matrices, group["momentum"]))
                rate = group["lr"] * 0.2 * max(rows, columns) ** 0.5
                torch._foreach_mul_(matrices, 1 - group["lr"] * group["weight_decay"])
                torch._foreach_add_(matrices, list(update.to(matrices[0].dtype).unbind()), alpha=-rate)

    def _apply_momentum(self, matrices: list[Tensor], momentum: float) -> Tensor:
        gradients = torch.stack([matrix.grad for matrix in matrices if matrix.grad is not None])
        state = self.state[matrices[0]]
        average = state.setdefault("average", torch.zeros_like(gradients))
        average.lerp_(gradients, 1 - momentum)
        return gradients.lerp(average, momentum)


def build_optimizers(model: nn.Module, args: argparse.Namespace) -> list[torch.optim.Optimizer]:
    """Make the optimisers: AdamW for everything, or Muon for the matrices inside the layers and AdamW for the rest.

    Args:
        model: The model; embeddings, matrices and vectors have rates and decays of their own.
        args: Rates and decays, from the command line.

    Returns:
        One or two optimisers; each parameter group holds its peak learning rate under "peak".
    """
    matrices = [p for name, p in model.named_parameters() if p.ndim == 2 and "embed" not in name]
    tables = [p for name, p in model.named_parameters() if p.ndim == 2 and "embed" in name]
    vectors = [p for p in model.parameters() if p.ndim < 2]
    groups: list[dict[str, Any]] = [
        {"params": tables, "weight_decay": args.table_decay},
        {"params": vectors, "weight_decay": 0.0},
    ]
    optimizers: list[torch.optim.Optimizer] = []
    if args.optimizer == "muon":
        decay = {"lr": args.matrix_rate, "weight_decay": args.decay}
        optimizers.append(BatchedMuon(matrices, **decay))
    else:
        groups.append({"params": matrices, "weight_decay": args.decay, "lr": args.matrix_rate})
    fused = next(model.parameters()).is_cuda
    optimizers.append(torch.optim.AdamW(groups, lr=args.table_rate, betas=(0.9, 0.95), eps=1e-10, fused=fused))
    for optimizer in optimizers:
        for group in optimizer.param_groups:
            group["peak"] = group["lr"]
    return optimizers


def scale_rate(progress: float, *, warm_up: float = 0.03, decay_from: float = 0.4) -> float:
    """Return the share of the peak learning rate: a short warm-up, a plateau, then linear decay to zero.

    Args:
        progress: Share of the run that is done, 0 to 1.
        warm_up: Progress at which the peak is reached.
        decay_from: Progress from which the rate falls.
    """
    return min(1.0, progress / warm_up, (1 - progress) / (1 - decay_from))
