"""A streamed answer of an OpenAI-compatible server: server-sent events, put together."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any, cast

import httpx

ANSWER_BYTES_MAX = 2**22
"""A reply is some hundred tokens of some hundred bytes each; a server that sends more than this is out of order."""

MALFORMED = (ValueError, LookupError, TypeError, AttributeError, RecursionError, httpx.InvalidURL, httpx.StreamError)
"""What reading an answer in another form than OpenAI's raises."""


@dataclass(slots=True)
class Answer:
    """What a server has written.

    Args:
        text: All of it so far.
        finish: The server's own word for why it ended; None while it has not.
        prompt_tokens: Tokens read, as the server counts them.
        new_tokens: Tokens written.
    """

    text: str = ""
    finish: str | None = None
    prompt_tokens: int = 0
    new_tokens: int = 0


async def read_answer(response: httpx.Response) -> Answer:
    """Read a stream of `/chat/completions` or `/completions` to its end.

    Args:
        response: Open, with a status of success.

    Returns:
        The answer; `finish` is None where the stream broke off.

    Raises:
        httpx.HTTPError: The connection broke.
        Exception: One of `MALFORMED`: the answer has another form, or is too long.
    """
    answer = Answer()
    async with aclosing(_read_events(response)) as events:
        async for event in events:
            _add_event(answer, event)
    return answer


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


def _add_event(answer: Answer, event: dict[str, Any]) -> None:
    for choice in event.get("choices") or ():
        # A completion has its text at once, a chat completion in a message that grows.
        answer.text += choice.get("text") or (choice.get("delta") or {}).get("content") or ""
        answer.finish = choice.get("finish_reason") or answer.finish
    usage = event.get("usage") or {}
    answer.prompt_tokens = int(usage.get("prompt_tokens") or answer.prompt_tokens)
    answer.new_tokens = int(usage.get("completion_tokens") or answer.new_tokens)
