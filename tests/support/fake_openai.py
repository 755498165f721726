"""A model server that speaks OpenAI's streaming form over real HTTP, with scripted misfortune."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from typing import Any, Self


class FakeOpenAI:
    """Answers `/v1/chat/completions`, `/v1/models` and, where it has a tokenizer, `/v1/completions` on 127.0.0.1.

    Source: vLLM's documentation of its OpenAI-compatible server: a completion's prompt may be a list of token ids, and
    its text comes in the `text` of each streamed choice.

    `statuses` are for requests, one each; `paths` holds where these went; `statuses_by_path` is for the list of models
    too.

    Args:
        answer: Returns text, finish reason and seconds of work for the last user message, or for the decoded prompt.
        models: What it serves.
        decode: Makes text of token ids; None has no `/v1/completions`.
    """

    def __init__(
        self,
        answer: Callable[[str], tuple[str, str, float]],
        models: list[str],
        *,
        decode: Callable[[list[int]], str] | None = None,
    ) -> None:
        self._answer = answer
        self._decode = decode
        self.models = models
        self.requests: list[dict[str, Any]] = []
        self.paths: list[str] = []
        self.headers: list[dict[str, str]] = []
        self.statuses: list[int] = []
        self.statuses_by_path: dict[str, int] = {}
        self.raw: bytes | None = None
        self.gone_away = 0
        self._tasks: set[asyncio.Task[None]] = set()
        self.url = ""

    @asynccontextmanager
    async def running(self) -> AsyncIterator[Self]:
        server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1"
        try:
            yield self
        finally:
            server.close()
            for task in list(self._tasks):
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)
            await server.wait_closed()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        try:
            with suppress(ConnectionError, asyncio.IncompleteReadError):
                head = (await reader.readuntil(b"\r\n\r\n")).decode()
                lines = head.split("\r\n")
                headers = {k.lower(): v.strip() for k, _, v in (line.partition(":") for line in lines[1:] if line)}
                body = await reader.readexactly(int(headers.get("content-length", 0)))
                self.headers.append(headers)
                await self._respond(lines[0].split()[1], body, reader, writer)
        finally:
            writer.close()
            self._tasks.discard(task)

    async def _respond(
        self, path: str, body: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        path = path.removeprefix("/v1/")
        asked = path.endswith("completions")
        status = self.statuses.pop(0) if self.statuses and asked else self.statuses_by_path.get(path, 200)
        if path not in ("models", "completions" if self._decode else "", "chat/completions"):
            status = 404
        if asked:
            self.paths.append(path)
        kind = "text/event-stream" if asked else "application/json"
        writer.write(f"HTTP/1.1 {status} X\r\nContent-Type: {kind}\r\nConnection: close\r\n\r\n".encode())
        if status != 200:
            writer.write(b'{"detail": "no"}')
        elif self.raw is not None and asked:
            writer.write(self.raw)
        elif path == "models":
            writer.write(json.dumps({"data": [{"id": name} for name in self.models]}).encode())
        else:
            request = json.loads(body)
            self.requests.append(request)
            await self._stream(request, reader, writer)
        await writer.drain()

    async def _stream(
        self, request: dict[str, Any], reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        chat = "messages" in request
        if chat:
            text, finish, seconds = self._answer(request["messages"][-1]["content"])
        else:
            assert self._decode is not None
            text, finish, seconds = self._answer(self._decode(request["prompt"]))
        hung_up = asyncio.create_task(reader.read(1))
        try:
            await asyncio.wait({hung_up}, timeout=seconds)
            if hung_up.done():
                self.gone_away += 1
                return
        finally:
            hung_up.cancel()
        pieces = [text[n : n + 3] for n in range(0, len(text), 3)]
        if chat:
            choices: list[dict[str, Any]] = [{"delta": {"role": "assistant"}}]
            choices += [{"delta": {"content": piece}, "finish_reason": None} for piece in pieces]
            choices.append({"delta": {}, "finish_reason": finish})
        else:
            choices = [{"index": 0, "text": piece, "finish_reason": None} for piece in pieces]
            choices.append({"index": 0, "text": "", "finish_reason": finish, "stop_reason": None})
        events: list[dict[str, Any]] = [{"choices": [choice]} for choice in choices]
        read = 11 if chat else len(request["prompt"])
        events.append({"choices": [], "usage": {"prompt_tokens": read, "completion_tokens": len(pieces)}})
        for event in events:
            writer.write(f"data: {json.dumps(event)}\n\n".encode())
        writer.write(b"data: [DONE]\n\n")
