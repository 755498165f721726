"""An OpenAI-compatible server (vLLM, llama.cpp, `transformers serve`): adapters by name, streamed answers."""

from __future__ import annotations

import json
import time
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any, cast

import httpx
from tenacity import AsyncRetrying, retry_if_exception_type, stop_after_attempt, wait_random_exponential

from userbot.errors import AdapterError, GeneratorAwayError, GeneratorError
from userbot.generator import Prompt, Sampling
from userbot.messages import Reply

LINE_BREAK = "\u2028"
"""Stands for a line break inside a bubble, as in training; a real one ends the bubble."""
OPENING = "…"
CONNECT_TIMEOUT_S = 5.0
CHOOSY_STATUS = frozenset({400, 422})
"""What servers answer to fields that they don't know."""

AWAY_STATUS = frozenset({408, 425, 429, 500, 502, 503, 504})


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
        tries: Attempts while the server is away, before `GeneratorAwayError`.
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

    async def use_adapter(self, adapter_id: str | None) -> None:
        """Ask for another adapter from now on; the server must serve it under its id."""
        served = await self._list_models()
        model = adapter_id or self._base or (served[0] if served else self._model)
        if model not in served:
            raise AdapterError(
                f"The model server at {self._url} does not serve {model!r}; it serves {', '.join(served) or 'nothing'}."
                f" Load the adapter there under this name, then run `clone adapters use {model}` again."
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
            retry=retry_if_exception_type(GeneratorAwayError),
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
            async with self._client.stream("POST", f"{self._url}/chat/completions", json=request) as response:
                if response.status_code in CHOOSY_STATUS and "repetition_penalty" in request:
                    raise _UnknownFieldError
                await self._check(response)
                async with aclosing(_read_events(response)) as events:
                    async for event in events:
                        _add_event(answer, event)
        except httpx.HTTPError as exc:
            raise self._away(type(exc).__name__) from exc
        except (ValueError, KeyError, TypeError, IndexError) as exc:
            raise GeneratorError(
                f"The model server at {self._url} answered in a form that is not OpenAI's ({type(exc).__name__}). "
                f"Check CLONE_GENERATOR__URL; it should end in /v1."
            ) from exc
        return answer

    async def _list_models(self) -> Sequence[str]:
        try:
            response = await self._client.get(f"{self._url}/models")
            await self._check(response)
            return [str(entry["id"]) for entry in response.json()["data"]]
        except httpx.HTTPError as exc:
            raise self._away(type(exc).__name__) from exc
        except (ValueError, KeyError, TypeError) as exc:
            raise GeneratorError(f"The model server at {self._url} gave no list of models at /models.") from exc

    async def _check(self, response: httpx.Response) -> None:
        if response.is_success:
            return
        if response.status_code in AWAY_STATUS:
            raise self._away(f"status {response.status_code}")
        # The body may quote the prompt, so it is not shown.
        raise GeneratorError(
            f"The model server at {self._url} refused with status {response.status_code} for the model "
            f"{self._model!r}. Check CLONE_GENERATOR__URL and CLONE_GENERATOR__API_KEY, and what the server serves."
        )

    def _away(self, why: str) -> GeneratorAwayError:
        return GeneratorAwayError(
            f"The model server at {self._url} is away ({why}). Start it, or set CLONE_GENERATOR__URL."
        )


def _write_messages(prompt: Prompt) -> list[dict[str, str]]:
    """Write turns in OpenAI's form; templates want the sides to alternate and the peer's to come first."""
    messages = [{"role": "system", "content": prompt.system}] if prompt.system else []
    turns = list(prompt.turns)
    if not turns or turns[0].mine:
        messages.append({"role": "user", "content": OPENING})
    for turn in turns:
        role = "assistant" if turn.mine else "user"
        text = "\n".join(bubble.replace("\n", LINE_BREAK) for bubble in turn.bubbles)
        if messages and messages[-1]["role"] == role:
            messages[-1]["content"] += f"\n{text}"
        else:
            messages.append({"role": role, "content": text})
    return messages


def _split_bubbles(text: str) -> tuple[str, ...]:
    lines = (line.replace(LINE_BREAK, "\n").strip() for line in text.split("\n"))
    return tuple(line for line in lines if line)


async def _read_events(response: httpx.Response) -> AsyncGenerator[dict[str, Any], None]:
    async with aclosing(cast(AsyncGenerator[str, None], response.aiter_lines())) as lines:
        async for line in lines:
            if not line.startswith("data:"):
                continue
            data = line.removeprefix("data:").strip()
            if data == "[DONE]":
                return
            event = json.loads(data)
            if "error" in event:
                raise ValueError("the stream holds an error")
            yield event


def _add_event(answer: _Answer, event: dict[str, Any]) -> None:
    for choice in event.get("choices") or ():
        answer.text += (choice.get("delta") or {}).get("content") or ""
        answer.finish = choice.get("finish_reason") or answer.finish
    usage = event.get("usage") or {}
    answer.prompt_tokens = usage.get("prompt_tokens") or answer.prompt_tokens
    answer.new_tokens = usage.get("completion_tokens") or answer.new_tokens
