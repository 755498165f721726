"""The loss of a row, on supervised tokens only, without ever holding the logits of a whole row."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

import torch
from torch.nn.functional import cross_entropy

from training.kernels.pieces import grade, run_piece
from training.model.causal_lm import LOGITS_CHUNK, CausalLM
from training.model.packed_sequence import PackedSequence

Scale = Callable[[torch.Tensor], torch.Tensor]
Graded = tuple[torch.Tensor, torch.Tensor]


def backward_pack(lm: CausalLM, row: PackedSequence, *, scale: Scale) -> torch.Tensor:
    """Add a row's gradients to the parameters.

    The backward pass has two stages: from the loss to the hidden states, a chunk at a time, and from there on at once.
    So the logits of one chunk exist at a time, and none waits for the backward pass.

    Args:
        lm: The model.
        row: On the model's device.
        scale: Turns a summed loss into the one to differentiate, such as divided by the update's supervised tokens.

    Returns:
        The summed loss, nats, detached, still on the device.
    """
    with lm.autocast():
        states = lm.read(row)
    total = torch.zeros((), device=states.device)
    gradients = []
    differentiate = _differentiate_quickly if _can_grade(lm) else _differentiate
    for piece, targets in zip(
        torch.split(states.detach(), LOGITS_CHUNK), torch.split(row.targets, LOGITS_CHUNK), strict=True
    ):
        loss, gradient = differentiate(lm, piece, targets, scale)
        gradients.append(gradient)
        total += loss
    states.backward(torch.cat(gradients))  # type: ignore[no-untyped-call]  # torch leaves it unannotated
    return total


def _differentiate(lm: CausalLM, states: torch.Tensor, targets: torch.Tensor, scale: Scale) -> Graded:
    leaf = states.requires_grad_()
    with lm.autocast():
        loss = lm.score(leaf, targets)
    scale(loss).backward()  # type: ignore[no-untyped-call]  # torch leaves it unannotated
    assert leaf.grad is not None  # noqa: S101 - it is a leaf of what was differentiated
    return loss.detach(), leaf.grad


@torch.no_grad()
def _differentiate_quickly(lm: CausalLM, states: torch.Tensor, targets: torch.Tensor, scale: Scale) -> Graded:
    """Do the same without logits in float32: a pass over memory, and half of it."""
    weight = cast("torch.nn.Linear", lm.head).weight
    factor = scale(torch.ones((), device=states.device))
    loss, gradient = run_piece(grade, states @ weight.t(), targets, factor)
    return loss, gradient @ weight


def _is_plain(head: Any) -> bool:
    return type(head) is torch.nn.Linear and head.bias is None


def _can_grade(lm: CausalLM) -> bool:
    head: Any = lm.head
    return lm.device == "cuda" and _is_plain(head) and not head.weight.requires_grad and head.weight.dtype is lm.dtype


@torch.no_grad()
def score_pack(lm: CausalLM, row: PackedSequence) -> torch.Tensor:
    """Return the loss of each supervised token of a row, nats; shape (learned,)."""
    with lm.autocast():
        states = lm.read(row)
        parts = []
        for piece, targets in zip(
            torch.split(states, LOGITS_CHUNK), torch.split(row.targets, LOGITS_CHUNK), strict=True
        ):
            logits = piece if lm.head is None else lm.head(piece)
            parts.append(cross_entropy(logits.float(), targets, reduction="none"))
    return torch.cat(parts)
