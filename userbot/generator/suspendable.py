"""A generator that can release its memory for a while."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from userbot.domain.errors import GeneratorUnavailableError
from userbot.domain.messages import Reply
from userbot.domain.prompt_rules import PromptRules
from userbot.generator import Generator, Prompt


class SuspendableGenerator:
    """Wraps a generator that is closed while something else needs its memory, and loaded again afterwards.

    Args:
        load: Loads it, with the adapter that is active then.
        inner: The one loaded now.
    """

    def __init__(self, load: Callable[[], Awaitable[Generator]], inner: Generator) -> None:
        self._load = load
        self._inner: Generator | None = inner
        self._last_id = inner.adapter_id
        self._last_rules = inner.rules

    @property
    def adapter_id(self) -> str | None:
        """Return the id of the adapter that writes the next reply; while suspended, the last one's."""
        return self._last_id if self._inner is None else self._inner.adapter_id

    @property
    def rules(self) -> PromptRules:
        """Return how prompts for the next reply are to be cut; while suspended, the last adapter's rules."""
        return self._last_rules if self._inner is None else self._inner.rules

    async def suspend(self) -> None:
        """Release the model; answers wait until `resume`."""
        self._last_id, self._last_rules = self.adapter_id, self.rules
        inner, self._inner = self._inner, None
        if inner is not None:
            await inner.close()

    async def resume(self) -> None:
        """Load the model again; nothing happens where it is loaded."""
        if self._inner is None:
            self._inner = await self._load()

    async def generate(self, prompt: Prompt) -> Reply:
        """Write the owner's next turn.

        Raises:
            GeneratorUnavailableError: The generator is suspended.
            GeneratorError: The model failed.
        """
        if self._inner is None:
            raise GeneratorUnavailableError("The model is unloaded while training runs. Answers wait until it is over.")
        return await self._inner.generate(prompt)

    async def activate(self, adapter_id: str | None) -> None:
        """Write all later replies with another adapter; while suspended, do nothing: `resume` loads the active one.

        Raises:
            AdapterError: It can't be used; the old one stays active.
        """
        if self._inner is not None:
            await self._inner.activate(adapter_id)

    async def close(self) -> None:
        """Release the model."""
        await self.suspend()
