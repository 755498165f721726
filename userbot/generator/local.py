"""The model in this process, on threads of its own."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from pathlib import Path
from threading import Event
from typing import Literal, Protocol, Self

from userbot.domain.errors import CloneError, GeneratorError
from userbot.domain.messages import Reply, Turn
from userbot.domain.prompt_rules import PromptRules
from userbot.domain.sampling import Sampling
from userbot.generator import Prompt
from userbot.generator.rules import apply_rules, read_rules
from userbot.store.adapters import AdapterShelf


class TurnModel(Protocol):
    """What is needed of a loaded model; `training.serving.clone_model.CloneModel` is one."""

    @property
    def concurrency(self) -> int:
        """Return how many replies it writes at the same time, each asked for by a thread."""
        ...

    def reply(
        self,
        turns: Sequence[Turn],
        *,
        system: str | None = None,
        sampling: Sampling | None = None,
        should_stop: Callable[[], bool] | None = None,
    ) -> Reply:
        """Write the owner's next turn; give up soon after `should_stop` says so.

        Args:
            turns: Oldest first.
            system: A line on who the contact is; None for none.
            sampling: How words are drawn; None takes the defaults.
            should_stop: Asked between tokens, from any thread.
        """
        ...

    def activate(self, folder: Path | None) -> None:
        """Write later replies with the adapter in a folder; None takes the bare base.

        Raises:
            AdapterError: It can't be used; the old one stays active.
        """
        ...

    def close(self) -> None:
        """Release the memory; nothing is asked of it after that."""
        ...


class LocalGenerator:
    """Serves all chats with one model, as many replies at a time as it can, first come first served.

    Where that is one, nobody waits for more than one reply of each other chat, which never has more under way.

    Args:
        model: A loaded model.
        shelf: Where adapters are.
        adapter_id: Adapter that the model writes with; None for the bare base.
        sampling: How words are drawn; None takes the defaults.

    Raises:
        AdapterError: The adapter's manifest is missing or can't be read.
    """

    def __init__(
        self, model: TurnModel, *, shelf: AdapterShelf, adapter_id: str | None = None, sampling: Sampling | None = None
    ) -> None:
        self._model = model
        self._shelf = shelf
        self._adapter_id = adapter_id
        self._rules = read_rules(shelf, adapter_id)
        self._sampling = sampling
        self._places = max(1, model.concurrency)
        self._turns = asyncio.Semaphore(self._places)
        self._door = asyncio.Lock()  # whoever waits for a place waits here, in the order they came
        self._threads = ThreadPoolExecutor(self._places, thread_name_prefix="model")

    @classmethod
    async def load(
        cls,
        *,
        base: str | None,
        adapter_id: str | None,
        shelf: AdapterShelf,
        models: Path,
        load_in_4bit: bool,
        sampling: Sampling,
        engine: Literal["auto", "on", "off"] = "auto",
    ) -> Self:
        """Load a base model and an adapter, without blocking the event loop.

        Args:
            base: `tiny`, a hub name or a folder; None takes the adapter's.
            adapter_id: Adapter to write with; None for the bare base.
            shelf: Where adapters are.
            models: Where the embedded base is unpacked.
            load_in_4bit: Load the base in 4 bit.
            sampling: How words are drawn.
            engine: Generate replies of several chats together: on a GPU, on a CPU too, or never.

        Returns:
            A generator that is ready to write.

        Raises:
            MissingExtraError: The packages for local models are not installed.
            AdapterError: The adapter can't be used with the base.
        """

        def load() -> TurnModel:
            from training.serving.clone_model import CloneModel, EngineLimits

            folder = None if adapter_id is None else shelf.path(adapter_id)
            new = sampling.max_new_tokens
            limits = EngineLimits(mode=engine, capacity=sampling.max_prompt_tokens + new, max_new_tokens=new)
            return CloneModel.load(base, folder, models_dir=models, load_in_4bit=load_in_4bit, limits=limits)

        return cls(await asyncio.to_thread(load), shelf=shelf, adapter_id=adapter_id, sampling=sampling)

    @property
    def adapter_id(self) -> str | None:
        """Return the id of the adapter that writes the next reply; None for the bare base."""
        return self._adapter_id

    @property
    def rules(self) -> PromptRules:
        """Return how prompts for the next reply are to be cut: as the active adapter was trained."""
        return self._rules

    async def generate(self, prompt: Prompt) -> Reply:
        """Write the owner's next turn. A cancelled one stops at its next token."""
        async with self._take_place():
            stop = Event()
            work = asyncio.get_running_loop().run_in_executor(self._threads, self._reply, prompt, stop.is_set)
            try:
                return await asyncio.shield(work)
            except asyncio.CancelledError:
                stop.set()
                # The model must be free of it before the next chat's turn begins.
                await asyncio.wait([work])
                raise

    async def activate(self, adapter_id: str | None) -> None:
        """Write all later replies with another adapter; a failure keeps the old one active."""
        async with self._have_alone():
            await asyncio.get_running_loop().run_in_executor(self._threads, self._activate, adapter_id)

    async def close(self) -> None:
        """Release the model and its memory."""
        await asyncio.to_thread(self._threads.shutdown, wait=True)
        await asyncio.to_thread(self._model.close)

    @asynccontextmanager
    async def _have_alone(self) -> AsyncIterator[None]:
        """Wait until no reply is under way, and let none begin: no reply is written by two adapters."""
        async with self._door, AsyncExitStack() as places:
            for _ in range(self._places):
                await places.enter_async_context(self._turns)
            yield

    @asynccontextmanager
    async def _take_place(self) -> AsyncIterator[None]:
        async with self._door:
            await self._turns.acquire()
        try:
            yield
        finally:
            self._turns.release()

    def _activate(self, adapter_id: str | None) -> None:
        rules = read_rules(self._shelf, adapter_id)  # first, because it may refuse
        self._model.activate(None if adapter_id is None else self._shelf.path(adapter_id))
        self._adapter_id, self._rules = adapter_id, rules

    def _reply(self, prompt: Prompt, should_stop: Callable[[], bool]) -> Reply:
        started = time.monotonic()
        prompt = apply_rules(self._rules, prompt)
        try:
            reply = self._model.reply(
                prompt.turns, system=prompt.system, sampling=self._sampling, should_stop=should_stop
            )
        except CloneError:
            raise
        except Exception as exc:
            raise GeneratorError(
                f"The model failed ({type(exc).__name__}). If this repeats, lower CLONE_REPLY__CONTEXT_TOKENS or "
                f"restart with `clone run`."
            ) from exc
        return replace(reply, adapter_id=self._adapter_id, seconds=time.monotonic() - started)
