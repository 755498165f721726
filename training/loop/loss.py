"""The loss of a packed sequence, on supervised tokens only, without ever holding the logits of all of them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

import torch

from training.fast.dispatch import run_operation
from training.kernels.cross_entropy import cross_entropy_and_gradient
from training.model.causal_lm import LOGITS_CHUNK, CausalLM
from training.model.packed_sequence import PackedSequence

Scale = Callable[[torch.Tensor], torch.Tensor]
"""Turns a summed loss into the one to differentiate, such as divided by the update's supervised tokens."""


def backward_pack(lm: CausalLM, packed: PackedSequence, *, scale: Scale) -> torch.Tensor:
    """Add a packed sequence's gradients to the parameters.

    The backward pass has two stages: from the loss to the hidden states, a chunk at a time, and from there on at once.
    So the logits of one chunk exist at a time, and none waits for the backward pass.

    Args:
        lm: The model.
        packed: On the model's device.
        scale: Turns the summed loss into the one to differentiate.

    Returns:
        The summed loss, nats, detached, still on the device; no dimensions.
    """
    with lm.autocast():
        states = lm.forward(packed)
    total = torch.zeros((), device=states.device)
    gradients = []
    differentiate = _differentiate_plain_head if _has_frozen_plain_head(lm) else _differentiate
    for chunk, targets in _split(states.detach(), packed):
        loss, gradient = differentiate(lm, chunk, targets, scale)
        gradients.append(gradient)
        total += loss
    states.backward(torch.cat(gradients))  # type: ignore[no-untyped-call]  # torch leaves it unannotated
    return total


@torch.no_grad()
def compute_token_losses(lm: CausalLM, packed: PackedSequence) -> torch.Tensor:
    """Return the loss of each supervised token, nats.

    Args:
        lm: The model.
        packed: On the model's device.

    Returns:
        Shape (supervised,), float32.
    """
    with lm.autocast():
        states = lm.forward(packed)
        losses = [lm.compute_loss(chunk, targets, reduction="none") for chunk, targets in _split(states, packed)]
    return torch.cat(losses)


def _split(states: torch.Tensor, packed: PackedSequence) -> zip[tuple[torch.Tensor, torch.Tensor]]:
    return zip(torch.split(states, LOGITS_CHUNK), torch.split(packed.targets, LOGITS_CHUNK), strict=True)


def _differentiate(
    lm: CausalLM, states: torch.Tensor, targets: torch.Tensor, scale: Scale
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the summed loss and the gradient of the states."""
    leaf = states.requires_grad_()
    with lm.autocast():
        loss = lm.compute_loss(leaf, targets)
    scale(loss).backward()  # type: ignore[no-untyped-call]  # torch leaves it unannotated
    assert leaf.grad is not None  # noqa: S101 - it is a leaf of what was differentiated
    return loss.detach(), leaf.grad


@torch.no_grad()
def _differentiate_plain_head(
    lm: CausalLM, states: torch.Tensor, targets: torch.Tensor, scale: Scale
) -> tuple[torch.Tensor, torch.Tensor]:
    """Do the same without logits in float32: a pass over memory, and half of it."""
    weight = cast("torch.nn.Linear", lm.head).weight
    factor = scale(torch.ones((), device=states.device))
    loss, gradient = run_operation(cross_entropy_and_gradient, states @ weight.t(), targets, factor)
    return loss, gradient @ weight


def _has_frozen_plain_head(lm: CausalLM) -> bool:
    head: Any = lm.head
    plain = type(head) is torch.nn.Linear and head.bias is None
    return lm.device == "cuda" and plain and not head.weight.requires_grad and head.weight.dtype is lm.dtype
