"""The model in this process, on a thread of its own."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from threading import Event
from typing import Any, Protocol, Self

from userbot.errors import CloneError, GeneratorError, MissingExtraError
from userbot.generator import Prompt, Sampling
from userbot.messages import Reply, Turn


class TurnModel(Protocol):
    """What is needed of a loaded model; `training.inference.CloneModel` is one."""

    def reply(
        self,
        turns: Sequence[Turn],
        *,
        system: str | None = None,
        sampling: Any = None,
        should_stop: Callable[[], bool] | None = None,
    ) -> Reply:
        """Write the owner's next turn; give up soon after `should_stop` says so."""
        ...

    def use_adapter(self, folder: Path | None) -> None:
        """Write later replies with the adapter in a folder; None takes the bare base."""
        ...


class LocalGenerator:
    """Serves all chats with one model, one reply at a time, first come first served.

    A chat never has more than one reply in work, so nobody waits for more than one reply of each other chat.

    Args:
        model: A loaded model.
        adapter_id: Adapter that it writes with.
        adapters: Folder that holds one folder an adapter.
        sampling: How words are drawn, in the model's own form.
    """

    def __init__(self, model: TurnModel, *, adapter_id: str | None, adapters: Path, sampling: Any = None) -> None:
        self._model = model
        self._adapter_id = adapter_id
        self._adapters = adapters
        self._sampling = sampling
        self._turn = asyncio.Lock()
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="model")

    @classmethod
    async def load(
        cls,
        *,
        base: str | None,
        adapter_id: str | None,
        adapters: Path,
        models: Path,
        load_in_4bit: bool,
        sampling: Sampling,
    ) -> Self:
        """Load a base model and an adapter, on the model's thread.

        Args:
            base: `tiny`, a hub name or a folder.
            adapter_id: Adapter to write with; None for the bare base.
            adapters: Folder that holds one folder an adapter.
            models: Where the embedded base is unpacked.
            load_in_4bit: Load the base in 4 bit.
            sampling: How words are drawn.

        Raises:
            MissingExtraError: The packages for local models are not installed.
            AdapterError: The adapter can't be used with the base.
        """

        def load() -> Any:
            try:
                from training.inference import load_for_chat
            except ImportError as exc:
                raise MissingExtraError(
                    f"A local model needs {exc.name}, which is not installed. Install it: pip install "
                    f"'telegram-clone[train]', or use a model server: CLONE_GENERATOR__KIND=remote."
                ) from exc
            raise NotImplementedError(load_for_chat)

        model = await asyncio.to_thread(load)
        return cls(model, adapter_id=adapter_id, adapters=adapters, sampling=sampling)

    @property
    def adapter_id(self) -> str | None:
        """Return the id of the adapter that writes the next reply; None for the bare base."""
        return self._adapter_id

    async def generate(self, prompt: Prompt) -> Reply:
        """Write the owner's next turn. A cancelled one stops at its next token."""
        async with self._turn:
            stop = Event()
            work = asyncio.get_running_loop().run_in_executor(self._thread, self._reply, prompt, stop.is_set)
            try:
                return await asyncio.shield(work)
            except asyncio.CancelledError:
                stop.set()
                # The model must be free before the next chat's turn begins.
                await asyncio.wait([work])
                raise

    async def use_adapter(self, adapter_id: str | None) -> None:
        """Write all later replies with another adapter; a failure keeps the old one."""
        folder = None if adapter_id is None else self._adapters / adapter_id
        async with self._turn:
            loop = asyncio.get_running_loop()
            await loop.run_in_executor(self._thread, self._model.use_adapter, folder)
            self._adapter_id = adapter_id

    async def close(self) -> None:
        """Release the model."""
        await asyncio.to_thread(self._thread.shutdown, wait=True)

    def _reply(self, prompt: Prompt, should_stop: Callable[[], bool]) -> Reply:
        started = time.monotonic()
        try:
            reply = self._model.reply(
                prompt.turns, system=prompt.system, sampling=self._sampling, should_stop=should_stop
            )
        except CloneError:
            raise
        except Exception as exc:
            raise GeneratorError(
                f"The model failed ({type(exc).__name__}). If it goes on, lower CLONE_REPLY__CONTEXT_TOKENS or "
                f"restart with `clone run`."
            ) from exc
        return replace(reply, adapter_id=self._adapter_id, seconds=time.monotonic() - started)
