"""An OpenAI-compatible server (vLLM, llama.cpp, `transformers serve`): adapters by name, streamed answers."""

from __future__ import annotations

import asyncio
import json
import re
import time
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any, cast

import httpx
from tenacity import AsyncRetrying, retry_if_exception_type, stop_after_attempt, wait_random_exponential

from userbot.domain.errors import AdapterError, GeneratorError, GeneratorUnavailableError
from userbot.domain.messages import Reply
from userbot.domain.sampling import Sampling
from userbot.generator import Prompt

LINE_BREAK = "\u2028"
"""Stands for a line break inside a bubble, as in training; a real one ends the bubble."""
OPENING = "…"
JOINER = "\u2060"
"""Breaks what looks like a model's special token, as in training, so that no contact can write a turn of his own."""

CONNECT_TIMEOUT_S = 5.0
ANSWER_BYTES_MAX = 2**22
"""A reply is some hundred tokens of some hundred bytes each; a server that sends more than this is out of order."""

CHOOSY_STATUS = frozenset({400, 422})
"""What servers answer to fields that they don't know."""

UNAVAILABLE_STATUS = frozenset({408, 425, 429, 500, 502, 503, 504})

# The server's template writes turns as text, and its tokenizer finds the special tokens of every family in them.
_SPECIALS = re.compile(r"</?s>|\[/?[A-Z][A-Z_]{2,30}\]|<\|[^|<>\n]{1,40}\|>|<<?/?SYS>>?|</?[a-z]{2,10}_of_[a-z]{2,10}>")
_MALFORMED = (ValueError, LookupError, TypeError, AttributeError, RecursionError, httpx.InvalidURL, httpx.StreamError)
_LOGIN = re.compile(r"(?<=//)[^/@]*@")


@dataclass(slots=True)
class _Answer:
    text: str = ""
    finish: str | None = None
    prompt_tokens: int = 0
    new_tokens: int = 0


class _UnknownFieldError(Exception):
    pass


class RemoteGenerator:
    """Asks a server at `<url>/chat/completions`; many requests may be under way at once.

    Fields that are not of OpenAI's API are sent first, and left out for good once a server refuses them: vLLM knows
    `repetition_penalty`, `transformers serve` answers 422.

    Args:
        url: Address up to and including the version, such as `http://127.0.0.1:8000/v1`.
        model: Name that the server knows the adapter by, or the base model's.
        adapter_id: The adapter's id, for the record; None for the bare base.
        sampling: How words are drawn; the server shortens prompts itself, or refuses them.
        api_key: Sent as a bearer token.
        timeout_s: Longest wait for the whole answer, seconds.
        tries: Attempts while the server is away, before `GeneratorUnavailableError`.
        transport: For tests of the transport; None is the network.
    """

    def __init__(
        self,
        *,
        url: str,
        model: str,
        adapter_id: str | None = None,
        sampling: Sampling | None = None,
        api_key: str | None = None,
        timeout_s: float = 120.0,
        tries: int = 3,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        self._url = url.rstrip("/")
        self._shown_url = _LOGIN.sub("", self._url)
        self._base = model if adapter_id is None else None
        self._model = model
        self._adapter_id = adapter_id
        self._sampling = sampling or Sampling()
        self._timeout_s = timeout_s
        self._tries = tries
        self._extras: dict[str, Any] = {"repetition_penalty": self._sampling.repetition_penalty}
        headers = {"Authorization": f"Bearer {api_key}"} if api_key else {}
        self._client = httpx.AsyncClient(
            headers=headers, timeout=httpx.Timeout(timeout_s, connect=CONNECT_TIMEOUT_S), transport=transport
        )

    @property
    def adapter_id(self) -> str | None:
        """Return the id of the adapter that writes the next reply; None for the bare base."""
        return self._adapter_id

    async def generate(self, prompt: Prompt) -> Reply:
        """Ask for the owner's next turn. Cancelling closes the connection, which tells the server to stop."""
        adapter_id, started = self._adapter_id, time.monotonic()
        try:
            answer = await self._ask_patiently(prompt)
        except _UnknownFieldError:
            self._extras = {}
            answer = await self._ask_patiently(prompt)
        return Reply(
            bubbles=_split_bubbles(answer.text),
            adapter_id=adapter_id,
            finish=answer.finish or "length",
            prompt_tokens=answer.prompt_tokens,
            new_tokens=answer.new_tokens,
            seconds=time.monotonic() - started,
        )

    async def activate(self, adapter_id: str | None) -> None:
        """Ask for another adapter from now on; the server must serve it under its id."""
        served = await self._list_models()
        model = adapter_id or self._base or (served[0] if served else self._model)
        if model not in served:
            raise AdapterError(
                f"The model server at {self._shown_url} does not serve {model!r}; it serves "
                f"{', '.join(served) or 'nothing'}. Load the adapter there under this name, then run "
                f"`clone adapters use {model}` again."
            )
        self._model, self._adapter_id = model, adapter_id

    async def close(self) -> None:
        """Close the connections."""
        await self._client.aclose()

    async def _ask_patiently(self, prompt: Prompt) -> _Answer:
        request = self._write_request(prompt)
        async for attempt in self._retrying():
            with attempt:
                answer = await self._ask(request)
        return answer

    def _retrying(self) -> AsyncRetrying:
        return AsyncRetrying(
            retry=retry_if_exception_type(GeneratorUnavailableError),
            stop=stop_after_attempt(self._tries),
            wait=wait_random_exponential(multiplier=0.2, max=5.0),
            reraise=True,
        )

    def _write_request(self, prompt: Prompt) -> dict[str, Any]:
        return {
            "model": self._model,
            "messages": _write_messages(prompt),
            "stream": True,
            "stream_options": {"include_usage": True},
            "temperature": self._sampling.temperature,
            "top_p": self._sampling.top_p,
            "max_tokens": self._sampling.max_new_tokens,
            **self._extras,
        }

    async def _ask(self, request: dict[str, Any]) -> _Answer:
        answer = _Answer()
        try:
            # The client's own limit is between two pieces, and a server may send pieces for ever.
            async with (
                asyncio.timeout(self._timeout_s),
                self._client.stream("POST", f"{self._url}/chat/completions", json=request) as response,
            ):
                if response.status_code in CHOOSY_STATUS and "repetition_penalty" in request:
                    raise _UnknownFieldError
                await self._check(response)
                async with aclosing(_read_events(response)) as events:
                    async for event in events:
                        _add_event(answer, event)
        except (httpx.HTTPError, TimeoutError) as exc:
            raise self._unavailable(type(exc).__name__) from exc
        except _MALFORMED as exc:
            raise GeneratorError(
                f"The model server at {self._shown_url} answered in a form that is not OpenAI's "
                f"({type(exc).__name__}). Check CLONE_GENERATOR__URL; it should end in /v1."
            ) from exc
        return answer

    async def _list_models(self) -> Sequence[str]:
        try:
            response = await self._client.get(f"{self._url}/models")
            await self._check(response)
            return [str(entry["id"]) for entry in response.json()["data"]]
        except httpx.HTTPError as exc:
            raise self._unavailable(type(exc).__name__) from exc
        except _MALFORMED as exc:
            raise GeneratorError(f"The model server at {self._shown_url} gave no list of models at /models.") from exc

    async def _check(self, response: httpx.Response) -> None:
        if response.is_success:
            return
        if response.status_code in UNAVAILABLE_STATUS:
            raise self._unavailable(f"status {response.status_code}")
        # The body may quote the prompt, so it is not shown.
        raise GeneratorError(
            f"The model server at {self._shown_url} refused with status {response.status_code} for the model "
            f"{self._model!r}. Check CLONE_GENERATOR__URL and CLONE_GENERATOR__API_KEY, and what the server serves."
        )

    def _unavailable(self, why: str) -> GeneratorUnavailableError:
        return GeneratorUnavailableError(
            f"The model server at {self._shown_url} is away ({why}). Start it, or set CLONE_GENERATOR__URL."
        )


def _write_messages(prompt: Prompt) -> list[dict[str, str]]:
    """Write turns in OpenAI's form; templates want the sides to alternate and the peer's to come first."""
    messages = [{"role": "system", "content": _shield(prompt.system)}] if prompt.system else []
    turns = list(prompt.turns)
    if not turns or turns[0].mine:
        messages.append({"role": "user", "content": OPENING})
    for turn in turns:
        role = "assistant" if turn.mine else "user"
        text = "\n".join(_shield(bubble).replace("\n", LINE_BREAK) for bubble in turn.bubbles)
        if messages and messages[-1]["role"] == role:
            messages[-1]["content"] += f"\n{text}"
        else:
            messages.append({"role": role, "content": text})
    return messages


def _shield(text: str) -> str:
    return _SPECIALS.sub(lambda found: found[0][0] + JOINER + found[0][1:], text)


def _split_bubbles(text: str) -> tuple[str, ...]:
    # JSON may hold half a character, which can be neither stored nor sent.
    text = text.encode("utf-8", "replace").decode("utf-8").replace(JOINER, "")
    lines = (line.replace(LINE_BREAK, "\n").strip() for line in text.split("\n"))
    return tuple(line for line in lines if line)


async def _read_events(response: httpx.Response) -> AsyncGenerator[dict[str, Any], None]:
    async with aclosing(_read_lines(response)) as lines:
        async for line in lines:
            if not line.startswith(b"data:"):
                continue
            data = line.removeprefix(b"data:").strip()
            if data == b"[DONE]":
                return
            event = json.loads(data)
            if "error" in event:
                raise ValueError("the stream holds an error")
            yield event


async def _read_lines(response: httpx.Response) -> AsyncGenerator[bytes, None]:
    """Yield lines; httpx would also cut at U+2028, which stands for a line break inside a bubble."""
    held, total = b"", 0
    async with aclosing(cast(AsyncGenerator[bytes, None], response.aiter_bytes())) as pieces:
        async for piece in pieces:
            total += len(piece)
            if total > ANSWER_BYTES_MAX:
                raise ValueError("the answer is too long")
            *lines, held = (held + piece).split(b"\n")
            for line in lines:
                yield line
    yield held


def _add_event(answer: _Answer, event: dict[str, Any]) -> None:
    for choice in event.get("choices") or ():
        answer.text += (choice.get("delta") or {}).get("content") or ""
        answer.finish = choice.get("finish_reason") or answer.finish
    usage = event.get("usage") or {}
    answer.prompt_tokens = int(usage.get("prompt_tokens") or answer.prompt_tokens)
    answer.new_tokens = int(usage.get("completion_tokens") or answer.new_tokens)
