"""A causal language model as training and evaluation run it: over packed sequences, up to the loss."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import torch
from torch.nn.functional import cross_entropy

from training.model.packed_sequence import IGNORED, PackedSequence

LOGITS_CHUNK = 2048  # supervised positions whose logits exist at the same time


@dataclass(frozen=True, slots=True, kw_only=True)
class CausalLM:
    """How a causal language model is run for its loss.

    Args:
        model: The whole model, adapters included.
        body: Its part up to the last hidden state.
        head: From hidden states to logits; None where it does more than one layer, and the model is asked for the
            logits of supervised positions itself.
        dtype: Format to compute in, by autocast where the adapter is kept in float32.
        device: Where it lies: `cuda` or `cpu`.
    """

    model: Any
    body: Any
    head: torch.nn.Module | None
    dtype: torch.dtype
    device: str

    def autocast(self) -> torch.autocast:
        """Return the context of all forward passes."""
        return torch.autocast(self.device, dtype=self.dtype, enabled=self.dtype is not torch.float32)

    def forward(self, packed: PackedSequence) -> torch.Tensor:
        """Run a packed sequence, and return what predicts its supervised tokens.

        Args:
            packed: On the model's device.

        Returns:
            Hidden states, shape (supervised, hidden); where there is no plain head, logits, shape (supervised,
            vocabulary).
        """
        inputs = {
            "input_ids": packed.ids,
            "position_ids": packed.position_ids,
            "cu_seq_lens_q": packed.cu_seqlens,
            "cu_seq_lens_k": packed.cu_seqlens,
            "max_length_q": packed.max_seqlen,
            "max_length_k": packed.max_seqlen,
            "use_cache": False,
        }
        if self.head is None:
            logits: torch.Tensor = self.model(**inputs, logits_to_keep=packed.loss_positions).logits[0]
            return logits
        states: torch.Tensor = self.body(**inputs).last_hidden_state[0]
        return states[packed.loss_positions]

    def compute_loss(self, states: torch.Tensor, targets: torch.Tensor, *, reduction: str = "sum") -> torch.Tensor:
        """Return the loss of some supervised tokens, nats.

        Args:
            states: Some of what `forward` returned; shape (supervised, hidden) or (supervised, vocabulary).
            targets: Token ids that they should predict, or IGNORED; shape (supervised,).
            reduction: `sum`, or `none` for the loss of each token.

        Returns:
            No dimensions, or shape (supervised,).
        """
        logits = states if self.head is None else self.head(states)
        return cross_entropy(logits.float(), targets, reduction=reduction, ignore_index=IGNORED)


def make_causal_lm(model: Any, *, dtype: torch.dtype, device: str) -> CausalLM:
    """Find the parts of a model, and check that its head is no more than a layer after the body.

    Args:
        model: A causal language model, or peft's wrapper of one.
        dtype: Format to compute in.
        device: Where it lies: `cuda` or `cpu`.
    """
    core = model.get_base_model() if hasattr(model, "get_base_model") else model
    lm = CausalLM(model=core, body=core.base_model, head=core.get_output_embeddings(), dtype=dtype, device=device)
    return lm if _has_plain_head(lm) else replace(lm, head=None)


@torch.no_grad()
def _has_plain_head(lm: CausalLM) -> bool:
    if lm.head is None or lm.body is lm.model:
        return False
    ids = torch.arange(3, 11, device=lm.device)[None]
    was_training = lm.model.training
    lm.model.eval()
    with lm.autocast():
        whole = lm.model(input_ids=ids, use_cache=False).logits
        parts = lm.head(lm.body(input_ids=ids, use_cache=False).last_hidden_state)
    lm.model.train(was_training)
    return torch.equal(whole, parts)
