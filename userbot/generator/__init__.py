"""Where answers come from: one Protocol, a local and a remote implementation."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from userbot.domain.messages import Reply, Turn
from userbot.domain.prompt_rules import PromptRules


@dataclass(frozen=True, slots=True, kw_only=True)
class Prompt:
    """What the model is asked to continue.

    Args:
        turns: The conversation, oldest first; the last turn is the contact's.
        system: A line on who the contact is, rendered as in training; None for none.
    """

    turns: tuple[Turn, ...]
    system: str | None = None


class Generator(Protocol):
    """Continues a conversation as the owner. One object serves all chats; calls may overlap."""

    @property
    def adapter_id(self) -> str | None:
        """Return the id of the adapter that writes the next reply; None for the bare base."""
        ...

    @property
    def rules(self) -> PromptRules:
        """Return how prompts for the next reply are to be cut: as the active adapter was trained."""
        ...

    async def generate(self, prompt: Prompt) -> Reply:
        """Write the owner's next turn, without blocking the event loop. Cancelling the task stops the work soon.

        The prompt's system line is left out for an adapter that was trained without one.

        Args:
            prompt: The conversation so far.

        Returns:
            The reply, with the id of the adapter that wrote it.

        Raises:
            GeneratorUnavailableError: The model can't be reached now; try again later.
            GeneratorError: The model failed.
        """
        ...

    async def activate(self, adapter_id: str | None) -> None:
        """Write all later replies with another adapter; replies in progress are finished with the old one.

        Args:
            adapter_id: Its id; None for the bare base.

        Raises:
            AdapterError: It can't be used; the old one stays active.
        """
        ...

    async def close(self) -> None:
        """Release the model."""
        ...


class PromptEncoder(Protocol):
    """Turns prompts into the very token ids that training gave them, for a model in another process."""

    @property
    def stop_ids(self) -> tuple[int, ...]:
        """Return the tokens that end the owner's turn."""
        ...

    @property
    def stop_texts(self) -> tuple[str, ...]:
        """Return what begins the contact's next turn in the plain text format; empty for a chat template."""
        ...

    def encode(self, prompt: Prompt, *, max_tokens: int) -> list[int]:
        """Encode a conversation up to the place where the owner's next turn begins.

        Args:
            prompt: The conversation.
            max_tokens: Longest result; whole turns, newest kept.

        Returns:
            Token ids.
        """
        ...

    def parse(self, text: str) -> tuple[str, ...]:
        """Split generated text, which may hold the tokenizer's special tokens, into bubbles."""
        ...
