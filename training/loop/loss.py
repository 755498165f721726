"""The loss of a row, on learned tokens only, without ever holding the logits of a whole row."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

import torch
from torch.nn.functional import cross_entropy

from training.kernels.pieces import grade, run_piece
from training.model.causal_lm import CHUNK, Reader
from training.model.packed_sequence import Row

Scale = Callable[[torch.Tensor], torch.Tensor]
Graded = tuple[torch.Tensor, torch.Tensor]


def learn_row(reader: Reader, row: Row, *, scale: Scale) -> torch.Tensor:
    """Add a row's gradients to the parameters.

    The backward pass has two stages: from the loss to the hidden states, a chunk at a time, and from there on at once.
    So the logits of one chunk exist at a time, and none waits for the backward pass.

    Args:
        reader: The model.
        row: On the model's device.
        scale: Turns a summed loss into the one to differentiate, such as divided by the update's learned tokens.

    Returns:
        The summed loss, nats, detached, still on the device.
    """
    with reader.autocast():
        states = reader.read(row)
    total = torch.zeros((), device=states.device)
    gradients = []
    differentiate = _differentiate_quickly if _can_grade(reader) else _differentiate
    for piece, targets in zip(torch.split(states.detach(), CHUNK), torch.split(row.targets, CHUNK), strict=True):
        loss, gradient = differentiate(reader, piece, targets, scale)
        gradients.append(gradient)
        total += loss
    states.backward(torch.cat(gradients))  # type: ignore[no-untyped-call]  # torch leaves it unannotated
    return total


def _differentiate(reader: Reader, states: torch.Tensor, targets: torch.Tensor, scale: Scale) -> Graded:
    leaf = states.requires_grad_()
    with reader.autocast():
        loss = reader.score(leaf, targets)
    scale(loss).backward()  # type: ignore[no-untyped-call]  # torch leaves it unannotated
    assert leaf.grad is not None  # noqa: S101 - it is a leaf of what was differentiated
    return loss.detach(), leaf.grad


@torch.no_grad()
def _differentiate_quickly(reader: Reader, states: torch.Tensor, targets: torch.Tensor, scale: Scale) -> Graded:
    """Do the same without logits in float32: a pass over memory, and half of it."""
    weight = cast("torch.nn.Linear", reader.head).weight
    factor = scale(torch.ones((), device=states.device))
    loss, gradient = run_piece(grade, states @ weight.t(), targets, factor)
    return loss, gradient @ weight


def _is_plain(head: Any) -> bool:
    return type(head) is torch.nn.Linear and head.bias is None


def _can_grade(reader: Reader) -> bool:
    head: Any = reader.head
    return (
        reader.device == "cuda"
        and _is_plain(head)
        and not head.weight.requires_grad
        and head.weight.dtype is reader.dtype
    )


@torch.no_grad()
def score_row(reader: Reader, row: Row) -> torch.Tensor:
    """Return the loss of each learned token of a row, nats; shape (learned,)."""
    with reader.autocast():
        states = reader.read(row)
        parts = []
        for piece, targets in zip(torch.split(states, CHUNK), torch.split(row.targets, CHUNK), strict=True):
            logits = piece if reader.head is None else reader.head(piece)
            parts.append(cross_entropy(logits.float(), targets, reduction="none"))
    return torch.cat(parts)
