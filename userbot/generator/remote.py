"""An OpenAI-compatible server (vLLM, llama.cpp, `transformers serve`): adapters by name, streamed answers."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import httpx
from tenacity import AsyncRetrying, retry_if_exception_type, stop_after_attempt, wait_random_exponential

from userbot.domain.errors import AdapterError, GeneratorError, GeneratorUnavailableError
from userbot.domain.messages import Reply
from userbot.domain.prompt_rules import PromptRules
from userbot.domain.sampling import Sampling
from userbot.generator import Prompt, PromptEncoder
from userbot.generator.answer_stream import MALFORMED, Answer, read_answer
from userbot.generator.request_form import IDS_PATH, RequestForm, list_forms
from userbot.generator.rules import apply_rules, read_rules
from userbot.store.adapters import AdapterShelf

CONNECT_TIMEOUT_S = 5.0

CHOOSY_STATUS = frozenset({400, 422})
"""What servers answer to fields, or to a kind of prompt, that they don't know."""

NO_ENDPOINT_STATUS = frozenset({404, 405, 501})
"""What servers answer where they have no such endpoint, or no such model."""

SERVER_ERROR = 500
UNAVAILABLE_STATUS = frozenset({408, 425, 429, SERVER_ERROR, 502, 503, 504})

RELOAD_S = 600.0
"""After this time the tokenizer of a base is looked for again, where it was not to be had."""

_LOGIN = re.compile(r"(?<=//)[^/@]*@")

LoadEncoder = Callable[[str, str], PromptEncoder | None]
"""Takes a base and a text format; returns None where the base's tokenizer is not at hand. May block."""


class _RefusedError(Exception):
    def __init__(self, status: int) -> None:
        super().__init__(status)
        self.status = status


class _ServerFailedError(GeneratorUnavailableError):
    """Status 500: the server is in trouble, or can't read the request."""


@dataclass(slots=True)
class _Target:
    """What the server is asked for, until another adapter is activated.

    Args:
        model: Name that the server knows it by.
        adapter_id: None for the bare base.
        base: Whose tokenizer it has; None where that is not known.
        rules: The adapter's.
        forms: Forms of requests that the server has not refused, best first; None until the first request.
        proven: The first of them was accepted. A later refusal is about that request or about the moment, so from then
            on no form is given up.
        reload_at: When the tokenizer is looked for again, in monotonic seconds; None where it is loaded or not wanted.
    """

    model: str
    adapter_id: str | None
    base: str | None
    rules: PromptRules
    forms: list[RequestForm] | None = None
    proven: bool = False
    reload_at: float | None = None


class RemoteGenerator:
    """Asks a model server; many requests may be under way at once.

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
        tries: int = 3,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        self._url = url.rstrip("/")
        self._shown_url = _LOGIN.sub("", self._url)
        self._shelf = shelf
        self._base = base
        self._sampling = sampling or Sampling()
        self._load_encoder = load_encoder
        self._loading = asyncio.Lock()
        self._timeout_s = timeout_s
        self._tries = tries
        self._target = self._aim(adapter_id, model=adapter_id or base or "default")
        headers = {"Authorization": f"Bearer {api_key}"} if api_key else {}
        self._client = httpx.AsyncClient(
            headers=headers, timeout=httpx.Timeout(timeout_s, connect=CONNECT_TIMEOUT_S), transport=transport
        )

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
        answer, form = await self._ask_in_some_form(target, apply_rules(target.rules, prompt))
        return Reply(
            bubbles=form.parse(answer.text),
            adapter_id=target.adapter_id,
            finish=answer.finish or "length",
            prompt_tokens=answer.prompt_tokens,
            new_tokens=answer.new_tokens,
            seconds=time.monotonic() - started,
        )

    async def activate(self, adapter_id: str | None) -> None:
        """Ask for another adapter from now on; the server must serve it under its id."""
        served = await self._list_models()
        model = adapter_id or self._base or (served[0] if served else self._target.model)
        if model not in served:
            raise AdapterError(
                f"The model server at {self._shown_url} does not serve {model!r}; it serves "
                f"{', '.join(served) or 'nothing'}. Load the adapter there under this name, then run "
                f"`clone adapters use {model}` again."
            )
        self._target = self._aim(adapter_id, model=model)

    async def close(self) -> None:
        """Close the connections."""
        await self._client.aclose()

    def _aim(self, adapter_id: str | None, *, model: str) -> _Target:
        base = self._base if adapter_id is None else self._shelf.get(adapter_id).base
        return _Target(model, adapter_id, base, read_rules(self._shelf, adapter_id))

    async def _ask_in_some_form(self, target: _Target, prompt: Prompt) -> tuple[Answer, RequestForm]:
        """Ask in the best form that the server accepts; later requests begin with the first that it ever accepted."""
        refused: dict[str, int] = {}
        for form in await self._forms(target):
            if refused.get(form.path) in NO_ENDPOINT_STATUS:
                continue
            body = await asyncio.to_thread(form.write, prompt, model=target.model, sampling=self._sampling)
            try:
                answer = await self._ask_patiently(target, form, body)
            except _RefusedError as exc:
                refused[form.path] = exc.status
                continue
            if not target.proven and target.forms and form in target.forms:
                del target.forms[: target.forms.index(form)]
                target.proven = True
            return answer, form
        raise self._describe_refusal(target, refused)

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

    async def _ask_patiently(self, target: _Target, form: RequestForm, body: dict[str, Any]) -> Answer:
        retrying = AsyncRetrying(
            retry=retry_if_exception_type(GeneratorUnavailableError),
            stop=stop_after_attempt(self._tries),
            wait=wait_random_exponential(multiplier=0.2, max=5.0),
            reraise=True,
        )
        try:
            async for attempt in retrying:
                with attempt:
                    answer = await self._ask(form.path, body)
        except _ServerFailedError as exc:
            # Some servers fail on a prompt that is no text, and do so each time.
            if form.path == IDS_PATH and not target.proven:
                raise _RefusedError(SERVER_ERROR) from exc
            raise
        return answer

    async def _ask(self, path: str, body: dict[str, Any]) -> Answer:
        try:
            # The client's own limit is between two pieces, and a server may send pieces for ever.
            async with (
                asyncio.timeout(self._timeout_s),
                self._client.stream("POST", f"{self._url}/{path}", json=body) as response,
            ):
                if response.status_code in CHOOSY_STATUS | NO_ENDPOINT_STATUS:
                    raise _RefusedError(response.status_code)
                self._check(response, model=body["model"])
                return await read_answer(response)
        except (httpx.HTTPError, TimeoutError) as exc:
            raise self._unreachable(type(exc).__name__) from exc
        except MALFORMED as exc:
            raise GeneratorError(
                f"The model server at {self._shown_url} answered in a form that is not OpenAI's "
                f"({type(exc).__name__}). Check CLONE_GENERATOR__URL; it should end in /v1."
            ) from exc

    async def _list_models(self) -> Sequence[str]:
        try:
            response = await self._client.get(f"{self._url}/models")
            self._check(response, model=self._target.model)
            return [str(entry["id"]) for entry in response.json()["data"]]
        except httpx.HTTPError as exc:
            raise self._unreachable(type(exc).__name__) from exc
        except MALFORMED as exc:
            raise GeneratorError(f"The model server at {self._shown_url} gave no list of models at /models.") from exc

    def _check(self, response: httpx.Response, *, model: str) -> None:
        status = response.status_code
        if response.is_success:
            return
        if status in UNAVAILABLE_STATUS:
            kind = _ServerFailedError if status == SERVER_ERROR else GeneratorUnavailableError
            raise self._unreachable(f"status {status}", kind=kind)
        raise self._refuse(model, status)

    def _describe_refusal(self, target: _Target, refused: dict[str, int]) -> GeneratorError:
        if target.rules.text_format == "text":
            why = (
                f"refused them with status {list(refused.values())[-1]}"
                if refused
                else "can't be sent them from here: the base's tokenizer or the extra `train` is missing"
            )
            return GeneratorError(
                f"The adapter {target.adapter_id} was trained on plain text, which only token ids can ask for, and the "
                f"model server at {self._shown_url} {why}. Serve it with vLLM and install the extra `train` here, "
                f"or train an adapter with --set text_format=chat"
            )
        return self._refuse(target.model, list(refused.values())[-1])

    def _refuse(self, model: str, status: int) -> GeneratorError:
        # The body may quote the prompt, so it is not shown.
        return GeneratorError(
            f"The model server at {self._shown_url} refused with status {status} for the model {model!r}. "
            f"Check CLONE_GENERATOR__URL and CLONE_GENERATOR__API_KEY, and what the server serves."
        )

    def _unreachable(
        self, why: str, *, kind: type[GeneratorUnavailableError] = GeneratorUnavailableError
    ) -> GeneratorUnavailableError:
        return kind(
            f"The model server at {self._shown_url} is unreachable ({why}). Start it, or set CLONE_GENERATOR__URL."
        )
