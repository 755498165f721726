"""Held-out loss: how well the model predicts turns of the owner that it was not trained on."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from training.data.tokens import Ints, Tokens
from training.loop.batches import plan_packs
from training.loop.loss import compute_token_losses
from training.model.causal_lm import CausalLM
from training.model.packed_sequence import pack


@dataclass(frozen=True, slots=True, kw_only=True)
class Score:
    """The loss of some samples.

    Args:
        nats: Summed loss of the supervised tokens.
        tokens: How many supervised tokens there are.
        characters: How many characters their text has.
    """

    nats: float
    tokens: int
    characters: int

    @property
    def loss(self) -> float:
        """Return nats per supervised token, which compares adapters of one base."""
        return self.nats / max(1, self.tokens)

    @property
    def bits_per_char(self) -> float:
        """Return bits per character of supervised text, which compares bases with different tokenizers."""
        return self.nats / math.log(2) / max(1, self.characters)

    def to_json(self) -> dict[str, Any]:
        """Return plain values for metrics and events."""
        return {
            "loss": round(self.loss, 5),
            "bits_per_char": round(self.bits_per_char, 5),
            "tokens": self.tokens,
            "characters": self.characters,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Evaluation:
    """Scores of a set of samples.

    Args:
        total: Of all of them.
        chats: By chat id.
    """

    total: Score
    chats: dict[int, Score]

    def to_json(self) -> dict[str, Any]:
        """Return plain values for metrics: those of `total`, and `chats` by id."""
        return {**self.total.to_json(), "chats": {str(chat): score.to_json() for chat, score in self.chats.items()}}


def evaluate(lm: CausalLM, tokens: Tokens, *, max_pack_tokens: int, packed: bool = True) -> Evaluation:
    """Score samples with the adapter that is active, in evaluation mode; the mode is put back.

    Args:
        lm: The model.
        tokens: Held-out samples; may be none.
        max_pack_tokens: Tokens of a forward pass.
        packed: Several samples may share a forward pass.
    """
    everything = np.arange(len(tokens))
    packs = [everything[index : index + 1] for index in everything]
    if packed:
        packs = plan_packs(tokens.lengths, everything, max_pack_tokens=max_pack_tokens)
    nats = np.zeros(len(tokens))
    was_training = lm.model.training
    lm.model.eval()
    for samples in packs:
        losses = compute_token_losses(lm, pack(tokens, samples).to(lm.device)).double().cpu().numpy()
        np.add.at(nats, np.repeat(samples, tokens.supervised[samples]), losses)
    lm.model.train(was_training)
    chats = {int(chat): _sum(tokens, nats, np.flatnonzero(tokens.chats == chat)) for chat in np.unique(tokens.chats)}
    return Evaluation(total=_sum(tokens, nats, everything), chats=chats)


def _sum(tokens: Tokens, nats: np.ndarray[Any, np.dtype[np.float64]], samples: Ints) -> Score:
    return Score(
        nats=float(nats[samples].sum()),
        tokens=int(tokens.supervised[samples].sum()),
        characters=int(tokens.characters[samples].sum()),
    )
