"""What ends a reply before the model does."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch


class Watch:
    """Looks at each new token: ends a reply that nobody wants any more, or in which the model plays the contact.

    A stopping criterion of transformers.

    Args:
        tokenizer: Of the model.
        prompt_tokens: Where the reply begins.
        should_stop: Asked after each token.
        on_token: Called with each piece of new text.
        marks: Texts that begin somebody's next turn.
    """

    def __init__(
        self,
        tokenizer: Any,
        prompt_tokens: int,
        *,
        should_stop: Callable[[], bool],
        on_token: Callable[[str], None] | None,
        marks: tuple[str, ...],
    ) -> None:
        self.cancelled = False
        self.ended = False
        self._tokenizer = tokenizer
        self._start = prompt_tokens
        self._should_stop = should_stop
        self._on_token = on_token
        self._marks = marks
        self._told = ""

    def __call__(self, input_ids: torch.Tensor, scores: Any, **_: Any) -> torch.Tensor:
        """Tell, for each row, whether it is done; shape (batch,)."""
        if self._marks or self._on_token:
            text = self._tokenizer.decode(input_ids[0, self._start :], skip_special_tokens=True)
            self.ended = any(mark in text for mark in self._marks)
            self._tell(text)
        self.cancelled = self._should_stop()
        done = self.cancelled or self.ended
        return torch.full((input_ids.shape[0],), done, device=input_ids.device, dtype=torch.bool)

    def _tell(self, text: str) -> None:
        # A letter of several tokens is whole when its replacement character has gone.
        if self._on_token and not text.endswith("\ufffd") and text.startswith(self._told) and text != self._told:
            self._on_token(text[len(self._told) :])
            self._told = text
