"""Where answers come from: one Protocol, a local and a remote implementation."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from userbot.domain.messages import Reply, Turn


@dataclass(frozen=True, slots=True, kw_only=True)
class Prompt:
    """What the model is asked to continue.

    Args:
        turns: The conversation, oldest first; the last turn is the peer's.
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

    async def generate(self, prompt: Prompt) -> Reply:
        """Write the owner's next turn, without blocking the event loop. Cancelling the task stops the work soon.

        Raises:
            GeneratorUnavailableError: The model can't be reached now; try again later.
            GeneratorError: The model failed.
        """
        ...

    async def activate(self, adapter_id: str | None) -> None:
        """Write all later replies with another adapter; replies in progress are finished with the old one.

        Raises:
            AdapterError: It can't be used; the old one stays.
        """
        ...

    async def close(self) -> None:
        """Release the model."""
        ...
