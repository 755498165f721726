"""A generator that writes nothing once it was stopped, such as after a consent was withdrawn."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from userbot.domain.errors import GeneratorUnavailableError
from userbot.domain.messages import Reply
from userbot.domain.prompt_rules import PromptRules
from userbot.generator import Generator, Prompt


class StoppableGenerator:
    """Asks before and after each reply whether it was stopped; a reply that was in progress then is dropped.

    Args:
        inner: Writes the replies.
        find_stop: Returns why nothing may be written; None where all is well.
    """

    def __init__(self, inner: Generator, *, find_stop: Callable[[], str | None]) -> None:
        self._inner = inner
        self._find_stop = find_stop

    @property
    def adapter_id(self) -> str | None:
        """Return the id of the adapter that writes the next reply."""
        return self._inner.adapter_id

    @property
    def rules(self) -> PromptRules:
        """Return how prompts for the next reply are to be cut."""
        return self._inner.rules

    async def generate(self, prompt: Prompt) -> Reply:
        """Write the owner's next turn.

        Raises:
            GeneratorUnavailableError: It was stopped, or the model can't be reached.
            GeneratorError: The model failed.
        """
        await self._refuse_stopped()
        reply = await self._inner.generate(prompt)
        await self._refuse_stopped()
        return reply

    async def activate(self, adapter_id: str | None) -> None:
        """Write all later replies with another adapter."""
        await self._inner.activate(adapter_id)

    async def close(self) -> None:
        """Release the model."""
        await self._inner.close()

    async def _refuse_stopped(self) -> None:
        stop = await asyncio.to_thread(self._find_stop)
        if stop is not None:
            raise GeneratorUnavailableError(stop)
