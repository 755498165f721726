"""What ends a reply before the model ends it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch


class StopCriterion:
    """Ends a reply that nobody needs any more, or in which the model begins to write the contact's next turn.

    A stopping criterion of transformers, called after each new token. It also streams the new text.

    Args:
        tokenizer: Tokenizer of the model.
        prompt_tokens: Number of tokens before the reply.
        should_stop: Asked after each token; True cancels the reply.
        on_token: Called with each piece of new text; None streams nothing.
        stop_texts: Texts that begin a next turn, and so end the reply.

    Attributes:
        cancelled: `should_stop` ended the reply.
        ended: One of the stop texts ended it.
    """

    def __init__(
        self,
        tokenizer: Any,
        prompt_tokens: int,
        *,
        should_stop: Callable[[], bool],
        on_token: Callable[[str], None] | None = None,
        stop_texts: tuple[str, ...] = (),
    ) -> None:
        self.cancelled = False
        self.ended = False
        self._tokenizer = tokenizer
        self._prompt_tokens = prompt_tokens
        self._should_stop = should_stop
        self._on_token = on_token
        self._stop_texts = stop_texts
        self._streamed = ""

    def __call__(self, input_ids: torch.Tensor, scores: Any, **_: Any) -> torch.Tensor:
        """Decide whether the reply ends here.

        Args:
            input_ids: Prompt and reply so far; shape (batch, tokens). Only the first sequence is read.
            scores: Not used.

        Returns:
            The same answer for every sequence; shape (batch,), bool.
        """
        stops = self.check(input_ids[0, self._prompt_tokens :])
        return torch.full((input_ids.shape[0],), stops, device=input_ids.device, dtype=torch.bool)

    def check(self, new: Sequence[int] | torch.Tensor) -> bool:
        """Decide whether the reply ends here.

        Args:
            new: Token ids of the reply so far; shape (tokens,).
        """
        if self._stop_texts or self._on_token:
            text = self._tokenizer.decode(new, skip_special_tokens=True)
            self.ended = any(stop_text in text for stop_text in self._stop_texts)
            self._stream(text)
        self.cancelled = self._should_stop()
        return self.cancelled or self.ended

    def _stream(self, text: str) -> None:
        # A letter that takes several tokens is whole once its replacement character is gone.
        if (
            self._on_token
            and not text.endswith("\ufffd")
            and text.startswith(self._streamed)
            and text != self._streamed
        ):
            self._on_token(text[len(self._streamed) :])
            self._streamed = text
