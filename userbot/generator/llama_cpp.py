"""llama.cpp in processes that the daemon starts and supervises: quick on a CPU, and one adapter for each process."""

from __future__ import annotations

import asyncio
import logging
import os
import secrets
import shutil
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import Self

from userbot.domain.errors import GeneratorUnavailableError
from userbot.domain.messages import Reply
from userbot.domain.prompt_rules import PromptRules
from userbot.domain.sampling import Sampling
from userbot.generator import Prompt
from userbot.generator.llama_engine import LlamaEngine
from userbot.generator.llama_process import LlamaConfig
from userbot.generator.remote import LoadEncoder, RemoteGenerator
from userbot.store.adapters import AdapterShelf, check_base

log = logging.getLogger(__name__)

SLOTS = 4
"""Conversations at a time: more would share the same cores."""

MARGIN_TOKENS = 32
"""Beginning and end of a conversation, beside what the prompt and the reply are limited to."""

LORA_FOLDER = ".lora"
"""Below the models: adapters as GGUF, each until a server has read it."""


@dataclass(slots=True)
class _Serving:
    """A server with its adapter, and the client that asks it.

    Args:
        engine: The process.
        client: Asks it.
        replies: How many are being written.
        idle: Set while there are none.
    """

    engine: LlamaEngine
    client: RemoteGenerator
    replies: int = 0
    idle: asyncio.Event = field(default_factory=asyncio.Event)

    async def ask(self, prompt: Prompt) -> Reply:
        """Ask for a reply, and count it while it is written."""
        self.replies += 1
        self.idle.clear()
        try:
            return await self.client.generate(prompt)
        finally:
            self.replies -= 1
            if not self.replies:
                self.idle.set()

    async def end(self, *, gracefully: bool) -> None:
        """End the server, after its last reply where that is asked for."""
        if gracefully and self.replies:
            await self.idle.wait()
        await self.client.close()
        await self.engine.end()


class LlamaCppGenerator:
    """Answers by llama.cpp. Another adapter is served by a new process, which takes over once it is ready.

    Args:
        base: Base model; None takes the adapter's, or chooses by the device.
        shelf: Where adapters are.
        models: Where the base is converted to.
        sampling: How words are drawn.
        load_encoder: Makes token ids, exactly training's.
        gguf: The base as GGUF, such as a quantised download; None converts the base.
    """

    def __init__(
        self,
        *,
        base: str | None,
        shelf: AdapterShelf,
        models: Path,
        sampling: Sampling,
        load_encoder: LoadEncoder,
        gguf: Path | None = None,
    ) -> None:
        self._base = base
        self._shelf = shelf
        self._models = models
        self._sampling = sampling
        self._load_encoder = load_encoder
        self._gguf = gguf
        self._folder = models / LORA_FOLDER
        self._changing = asyncio.Lock()
        self._serving: _Serving | None = None
        self._ending: set[asyncio.Task[None]] = set()

    @classmethod
    async def load(
        cls,
        *,
        base: str | None,
        adapter_id: str | None,
        shelf: AdapterShelf,
        models: Path,
        sampling: Sampling,
        load_encoder: LoadEncoder,
        gguf: Path | None = None,
    ) -> Self:
        """Convert what has to be converted, and start a server.

        Args:
            base: `tiny`, a hub name or a folder; None takes the adapter's.
            adapter_id: Adapter to write with; None for the bare base.
            shelf: Where adapters are.
            models: Where the base is converted to.
            sampling: How words are drawn.
            load_encoder: Makes token ids.
            gguf: The base as GGUF; None converts the base.

        Raises:
            ConfigError: The base or the adapter can't be converted.
            GeneratorError: llama.cpp can't serve it.
        """
        made = cls(base=base, shelf=shelf, models=models, sampling=sampling, load_encoder=load_encoder, gguf=gguf)
        try:
            made._serving = await made._start(adapter_id)
        except BaseException:
            await made.close()
            raise
        return made

    @property
    def adapter_id(self) -> str | None:
        """Return the id of the adapter that writes the next reply; None for the bare base."""
        return self._now.client.adapter_id

    @property
    def rules(self) -> PromptRules:
        """Return how prompts for the next reply are to be cut: as the active adapter was trained."""
        return self._now.client.rules

    async def generate(self, prompt: Prompt) -> Reply:
        """Write the owner's next turn; a server that died is started again, and asked once more."""
        serving = self._now
        try:
            return await serving.ask(prompt)
        except GeneratorUnavailableError:
            if serving.engine.is_running:
                raise
        await self._replace(serving)
        return await self._now.ask(prompt)

    async def activate(self, adapter_id: str | None) -> None:
        """Write all later replies with another adapter; replies in progress are finished with the old one."""
        async with self._changing:
            await self._exchange(await self._start(adapter_id))

    async def close(self) -> None:
        """End the servers."""
        if self._serving is not None:
            await self._serving.end(gracefully=False)
        await asyncio.gather(*self._ending)

    @property
    def _now(self) -> _Serving:
        if self._serving is None:
            raise GeneratorUnavailableError("llama.cpp is not started.")
        return self._serving

    async def _replace(self, dead: _Serving) -> None:
        async with self._changing:
            if self._serving is dead:
                log.warning("llama.cpp has ended unexpectedly and is started again")
                await self._exchange(await self._start(dead.client.adapter_id))

    async def _exchange(self, serving: _Serving) -> None:
        old, self._serving = self._serving, serving
        if old is not None:
            task = asyncio.create_task(old.end(gracefully=True))
            self._ending.add(task)
            task.add_done_callback(self._ending.discard)

    async def _start(self, adapter_id: str | None) -> _Serving:
        client_base = self._base or (None if adapter_id is None else self._shelf.get(adapter_id).base)
        model, lora = await asyncio.to_thread(self._prepare, client_base, adapter_id)
        key = secrets.token_urlsafe(32)
        config = LlamaConfig(
            model=str(model),
            lora=None if lora is None else str(lora),
            api_key=key,
            context_tokens=self._sampling.max_prompt_tokens + self._sampling.max_new_tokens + MARGIN_TOKENS,
            slots=SLOTS,
            threads=os.cpu_count() or 1,
        )
        try:
            engine = await LlamaEngine.start(config)
        finally:
            # An adapter was learned from chats, so no copy of it stays behind; one that a kill left goes here too.
            await asyncio.to_thread(shutil.rmtree, self._folder, ignore_errors=True)
        client = RemoteGenerator(
            url=engine.url,
            shelf=self._shelf,
            adapter_id=adapter_id,
            base=client_base,
            sampling=self._sampling,
            load_encoder=self._load_encoder,
            api_key=key,
            tries=1,
            allow_bare_base=True,
        )
        return _Serving(engine, client)

    def _prepare(self, base: str | None, adapter_id: str | None) -> tuple[Path, Path | None]:
        """Convert base and adapter; return their files."""
        from training.export.llama_cpp import prepare_base, write_adapter

        if adapter_id is not None and base is not None:
            check_base(self._shelf.verify(adapter_id), base)
        model = prepare_base(base, models=self._models, given=self._gguf)
        if adapter_id is None:
            return model, None
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        lora = self._folder / f"{adapter_id}.gguf"
        write_adapter(self._shelf.path(adapter_id), lora, base=base, models=self._models)
        return model, lora


def is_quicker(base: str | None, *, models: Path) -> bool:
    """Tell whether llama.cpp is installed, and quicker here than the model of transformers: on a CPU it is.

    Args:
        base: The base that would be served; None for the one chosen by the device.
        models: Where the embedded base is unpacked.
    """
    if any(find_spec(name) is None for name in ("xllamacpp", "gguf", "torch")):
        return False
    from training.export.llama_cpp import can_convert
    from training.model.device import inspect_device

    return inspect_device().type == "cpu" and can_convert(base, models=models)
