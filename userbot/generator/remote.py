"""An OpenAI-compatible server (vLLM, SGLang, llama.cpp, `transformers serve`): adapters by name, streamed answers."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import PurePath
from typing import Any

import httpx

from userbot.domain.errors import AdapterError, GeneratorError
from userbot.domain.messages import Reply
from userbot.domain.prompt_rules import PromptRules
from userbot.domain.sampling import Sampling
from userbot.generator import Prompt, PromptEncoder
from userbot.generator.answer_stream import Answer
from userbot.generator.engine_control import Served, find_adapter, find_base, unload_adapter
from userbot.generator.model_server import (
    NO_ENDPOINT_STATUS,
    SERVER_ERROR,
    TRIES,
    ModelServer,
    RefusedError,
    ServerFailedError,
)
from userbot.generator.request_form import IDS_PATH, RequestForm, list_forms
from userbot.generator.rules import apply_rules, read_rules
from userbot.store.adapters import AdapterShelf

RELOAD_S = 600.0
"""After this time the tokenizer of a base is looked for again, where it was not to be had."""

LoadEncoder = Callable[[str, str], PromptEncoder | None]
"""Takes a base and a text format; returns None where the base's tokenizer is not at hand. May block."""


@dataclass(slots=True)
class _Target:
    """What the server is asked for, until another adapter is activated.

    Args:
        adapter_id: None for the bare base.
        base: Whose tokenizer it has; None where that is not known.
        rules: The adapter's.
        served: How the server is asked for it; None until it was found there.
        forms: Forms of requests that the server has not refused, best first; None until the first request.
        proven: The first of them was accepted. A later refusal is about that request or about the moment, so from then
            on no form is given up.
        reload_at: When the tokenizer is looked for again, in monotonic seconds; None where it is loaded or not wanted.
        under_way: Requests that are not answered yet.
    """

    adapter_id: str | None
    base: str | None
    rules: PromptRules
    served: Served | None = None
    forms: list[RequestForm] | None = None
    proven: bool = False
    reload_at: float | None = None
    under_way: int = 0

    @property
    def name(self) -> str:
        """Return what the server is asked for, as errors name it."""
        return self.served.model if self.served else self.adapter_id or self.base or "default"


class _AllRefusedError(Exception):
    def __init__(self, statuses: dict[str, int]) -> None:
        super().__init__(statuses)
        self.statuses = statuses


class RemoteGenerator:
    """Asks a model server; many requests may be under way at once.

    An adapter is looked for on the server under its id before the first request, and loaded there where the engine can
    do that (`userbot.generator.engine_control`); so it is again when the server was restarted without it.

    The best form of request that the server accepts is found by trying at first, and kept: token ids at
    `<url>/completions` where the base's tokenizer is at hand here, else messages at `<url>/chat/completions`; each with
    fields that vLLM knows, such as `repetition_penalty`, else with those of OpenAI's API alone.

    Source: vLLM's documentation of its OpenAI-compatible server, for token ids as a prompt and for the further fields.

    Args:
        url: Address up to and including the version, such as `http://127.0.0.1:8000/v1`.
        shelf: Where the adapters' manifests are.
        adapter_id: Adapter that writes replies, which is also its name on the server; None for the bare base.
        base: Base model; its name on the server, and whose tokenizer the bare base has. None where it is not known.
        sampling: How words are drawn; given messages, the server shortens prompts itself, or refuses them.
        load_encoder: Makes token ids; None sends messages only.
        api_key: Sent as a bearer token.
        timeout_s: Longest wait for the whole answer, seconds.
        tries: Attempts while the server is unavailable, before `GeneratorUnavailableError`.
        adapters_folder: Where the server finds the folder of adapters, if not at the shelf's own path.
        allow_bare_base: Answer without an adapter too; else a bare base, which is nobody's clone, is refused.
        transport: For tests of the transport; None is the network.

    Raises:
        AdapterError: The adapter's manifest is missing or can't be read.
    """

    def __init__(
        self,
        *,
        url: str,
        shelf: AdapterShelf,
        adapter_id: str | None = None,
        base: str | None = None,
        sampling: Sampling | None = None,
        load_encoder: LoadEncoder | None = None,
        api_key: str | None = None,
        timeout_s: float = 120.0,
        tries: int = TRIES,
        adapters_folder: str | None = None,
        allow_bare_base: bool = False,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        self._server = ModelServer(url, api_key=api_key, timeout_s=timeout_s, tries=tries, transport=transport)
        self._shelf = shelf
        self._base = base
        self._sampling = sampling or Sampling()
        self._load_encoder = load_encoder
        self._adapters_folder = adapters_folder
        self._allow_bare_base = allow_bare_base
        self._loading = asyncio.Lock()
        self._target = self._aim(adapter_id)
        self._unloading: set[asyncio.Task[None]] = set()

    @property
    def adapter_id(self) -> str | None:
        """Return the id of the adapter that writes the next reply; None for the bare base."""
        return self._target.adapter_id

    @property
    def rules(self) -> PromptRules:
        """Return how prompts for the next reply are to be cut: as the active adapter was trained."""
        return self._target.rules

    async def generate(self, prompt: Prompt) -> Reply:
        """Ask for the owner's next turn. Cancelling closes the connection, which tells the server to stop."""
        target, started = self._target, time.monotonic()
        if target.adapter_id is None and not self._allow_bare_base:
            raise GeneratorError(
                "No adapter is active, and the base model alone is nobody's clone. Train one with `clone train`, "
                "choose one with `clone adapters use ID`, or let the base answer: CLONE_GENERATOR__BARE_BASE=true"
            )
        target.under_way += 1
        try:
            answer, form = await self._ask_for(target, apply_rules(target.rules, prompt))
        except AdapterError as exc:
            raise GeneratorError(str(exc)) from exc
        finally:
            target.under_way -= 1
            self._unload_if_unused(target)
        return Reply(
            bubbles=form.parse(answer.text),
            adapter_id=target.adapter_id,
            finish=answer.finish or "length",
            prompt_tokens=answer.prompt_tokens,
            new_tokens=answer.new_tokens,
            seconds=time.monotonic() - started,
        )

    async def activate(self, adapter_id: str | None) -> None:
        """Ask for another adapter from now on, which the server loads if it can; it then drops the one before.

        Raises:
            AdapterError: The server does not serve it, and can't load it; the old one stays active.
            GeneratorError: The server can't be reached, or refuses.
        """
        target = self._aim(adapter_id)
        target.served = await self._find(target)
        self._exchange(target)

    def aim(self, adapter_id: str | None) -> None:
        """Ask for another adapter from now on, without looking whether the server has it before the next request.

        Raises:
            AdapterError: Its manifest is missing or can't be read.
        """
        self._exchange(self._aim(adapter_id))

    async def close(self) -> None:
        """Close the connections."""
        await asyncio.gather(*self._unloading)
        await self._server.close()

    def _aim(self, adapter_id: str | None) -> _Target:
        base = self._base if adapter_id is None else self._shelf.get(adapter_id).base
        return _Target(adapter_id, base, read_rules(self._shelf, adapter_id))

    def _exchange(self, target: _Target) -> None:
        old, self._target = self._target, target
        self._unload_if_unused(old)

    def _unload_if_unused(self, target: _Target) -> None:
        """Unload what no later request asks for: an adapter that was replaced, once its last reply is written."""
        served, active = target.served, self._target
        if served is None or target.adapter_id is None or target.under_way or target.adapter_id == active.adapter_id:
            return
        target.served = None
        task = asyncio.create_task(unload_adapter(self._server, target.adapter_id, served))
        self._unloading.add(task)
        task.add_done_callback(self._unloading.discard)

    async def _find(self, target: _Target) -> Served:
        if target.adapter_id is not None:
            folder = str(self._shelf.path(target.adapter_id))
            if self._adapters_folder is not None:
                folder = f"{self._adapters_folder.rstrip('/')}/{PurePath(folder).name}"
            return await find_adapter(self._server, target.adapter_id, folder=folder)
        return await find_base(self._server, self._base)

    async def _ask_for(self, target: _Target, prompt: Prompt) -> tuple[Answer, RequestForm]:
        """Ask for a reply; where the server knows the adapter no more, have it found or loaded, and ask again."""
        async with self._loading:
            if target.served is None:
                target.served = Served(model=target.name) if target.adapter_id is None else await self._find(target)
        try:
            return await self._ask_in_some_form(target, prompt)
        except _AllRefusedError as exc:
            statuses = exc.statuses
        known = target.served
        if target.adapter_id is not None and 404 in statuses.values():
            target.served = await self._find(target)
            if target.served != known or target.served.unload_url is not None:
                try:
                    return await self._ask_in_some_form(target, prompt)
                except _AllRefusedError as exc:
                    statuses = exc.statuses
        raise self._describe_refusal(target, statuses)

    async def _ask_in_some_form(self, target: _Target, prompt: Prompt) -> tuple[Answer, RequestForm]:
        """Ask in the best form that the server accepts; later requests begin with the first that it ever accepted."""
        refused: dict[str, int] = {}
        served = target.served or Served(model=target.name)
        for form in await self._forms(target):
            if refused.get(form.path) in NO_ENDPOINT_STATUS:
                continue
            body = await asyncio.to_thread(form.write, prompt, model=served.model, sampling=self._sampling)
            try:
                answer = await self._ask(target, form, {**body, **served.fields})
            except RefusedError as exc:
                refused[form.path] = exc.status
                continue
            if not target.proven and target.forms and form in target.forms:
                del target.forms[: target.forms.index(form)]
                target.proven = True
            return answer, form
        raise _AllRefusedError(refused)

    async def _forms(self, target: _Target) -> list[RequestForm]:
        async with self._loading:
            if target.forms is None or (target.reload_at is not None and time.monotonic() >= target.reload_at):
                encoder, target.reload_at = None, None
                if self._load_encoder is not None and target.base is not None:
                    encoder = await asyncio.to_thread(self._load_encoder, target.base, target.rules.text_format)
                    target.reload_at = time.monotonic() + RELOAD_S if encoder is None else None
                if target.forms is None or encoder is not None:
                    target.forms, target.proven = list_forms(encoder, text_format=target.rules.text_format), False
        return list(target.forms)

    async def _ask(self, target: _Target, form: RequestForm, body: dict[str, Any]) -> Answer:
        try:
            return await self._server.ask(form.path, body)
        except ServerFailedError as exc:
            # Some servers fail on a prompt that is no text, and do so each time.
            if form.path == IDS_PATH and not target.proven:
                raise RefusedError(SERVER_ERROR) from exc
            raise

    def _describe_refusal(self, target: _Target, refused: dict[str, int]) -> GeneratorError:
        if target.rules.text_format != "text":
            return self._server.refuse(target.name, list(refused.values())[-1])
        why = (
            f"refused them with status {list(refused.values())[-1]}"
            if refused
            else "can't be sent them from here: the base's tokenizer or the extra `train` is missing"
        )
        return GeneratorError(
            f"The adapter {target.adapter_id} was trained on plain text, which only token ids can ask for, and the "
            f"model server at {self._server.shown_url} {why}. Serve it with vLLM and install the extra `train` here, "
            f"or train an adapter with --set text_format=chat"
        )
