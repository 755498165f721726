"""The loss of a row, on learned tokens only, without ever holding the logits of a whole row."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, cast

import torch
from torch.nn.functional import cross_entropy

from training.learning.packing import IGNORED, Row
from training.learning.pieces import grade, run_piece

Scale = Callable[[torch.Tensor], torch.Tensor]
Graded = tuple[torch.Tensor, torch.Tensor]

CHUNK = 2048  # learned positions whose logits exist at the same time


@dataclass(frozen=True, slots=True, kw_only=True)
class Reader:
    """How a causal language model is run for its loss.

    Args:
        model: The whole model, adapters included.
        body: Its part up to the last hidden state.
        head: From hidden states to logits; None where it does more than one layer, and the model is asked for the
            logits of learned positions itself.
        dtype: Format to compute in, by autocast where the adapter is kept in float32.
        device: Where it lies.
    """

    model: Any
    body: Any
    head: torch.nn.Module | None
    dtype: torch.dtype
    device: str

    def autocast(self) -> torch.autocast:
        """Return the context of all forward passes."""
        return torch.autocast(self.device, dtype=self.dtype, enabled=self.dtype is not torch.float32)

    def read(self, row: Row) -> torch.Tensor:
        """Return what predicts the learned tokens: hidden states, or logits where there is no plain head.

        Returns:
            Shape (learned, hidden) or (learned, vocabulary).
        """
        inputs = {
            "input_ids": row.ids,
            "position_ids": row.positions,
            "cu_seq_lens_q": row.borders,
            "cu_seq_lens_k": row.borders,
            "max_length_q": row.longest,
            "max_length_k": row.longest,
            "use_cache": False,
        }
        if self.head is None:
            found: torch.Tensor = self.model(**inputs, logits_to_keep=row.hidden_at).logits[0]
            return found
        states: torch.Tensor = self.body(**inputs).last_hidden_state[0]
        return states[row.hidden_at]

    def score(self, states: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        """Return the summed loss of some learned tokens, nats."""
        logits = states if self.head is None else self.head(states)
        return cross_entropy(logits.float(), targets, reduction="sum", ignore_index=IGNORED)


def make_reader(model: Any, *, dtype: torch.dtype, device: str) -> Reader:
    """Find the parts of a model, and check that its head is no more than a layer after the body.

    Args:
        model: A causal language model, or peft's wrapper of one.
        dtype: Format to compute in.
        device: Where it lies.
    """
    core = model.get_base_model() if hasattr(model, "get_base_model") else model
    reader = Reader(model=core, body=core.base_model, head=core.get_output_embeddings(), dtype=dtype, device=device)
    return reader if _has_plain_head(reader) else replace(reader, head=None)


@torch.no_grad()
def _has_plain_head(reader: Reader) -> bool:
    if reader.head is None or reader.body is reader.model:
        return False
    ids = torch.arange(3, 11, device=reader.device)[None]
    was_training = reader.model.training
    reader.model.eval()
    with reader.autocast():
        whole = reader.model(input_ids=ids, use_cache=False).logits
        parts = reader.head(reader.body(input_ids=ids, use_cache=False).last_hidden_state)
    reader.model.train(was_training)
    return torch.equal(whole, parts)


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
