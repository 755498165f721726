"""Model servers that load adapters while they run, written from the documentation of vLLM, SGLang and llama.cpp."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import Any

from fake_openai import FakeOpenAI

Answer = Callable[[str], tuple[str, str, float]]


class FakeVllm(FakeOpenAI):
    """vLLM with runtime updating of LoRA: `/v1/load_lora_adapter` and `/v1/unload_lora_adapter`.

    Args:
        answer: As of `FakeOpenAI`.
        max_rank: Adapters in `ranks` above it are refused, with vLLM's form of an error.
        allowed: Whether VLLM_ALLOW_RUNTIME_LORA_UPDATING is set; without it the endpoints don't exist.
    """

    prefix = "/v1"

    def __init__(self, answer: Answer, *, max_rank: int = 16, allowed: bool = True, **options: Any) -> None:
        super().__init__(answer, ["base"], **options)
        self.allowed = allowed
        self.max_rank = max_rank
        self.ranks: dict[str, int] = {}
        self.loads: list[dict[str, str]] = []
        self.unloads: list[str] = []

    async def _respond(
        self, path: str, body: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        status: int = 200
        answer: dict[str, Any] = {}
        if path == f"{self.prefix}/load_lora_adapter" and self.allowed:
            request = json.loads(body)
            self.loads.append(request)
            status, answer = self._load(request["lora_name"])
        elif path == f"{self.prefix}/unload_lora_adapter" and self.allowed:
            name = json.loads(body)["lora_name"]
            self.unloads.append(name)
            self._unload(name)
        elif not path.startswith("/v1/") or path.endswith("_lora_adapter"):
            status, answer = 404, {"detail": "Not Found"}
        elif body and (missing := self._find_missing(json.loads(body))) is not None:
            status, answer = 404, {"error": {"message": f"The model `{missing}` does not exist.", "code": 404}}
        else:
            await super()._respond(path, body, reader, writer)
            return
        writer.write(f"HTTP/1.1 {status} X\r\nContent-Type: application/json\r\nConnection: close\r\n\r\n".encode())
        writer.write(json.dumps(answer).encode())
        await writer.drain()

    def _load(self, name: str) -> tuple[int, dict[str, Any]]:
        if self.ranks.get(name, 8) > self.max_rank:
            message = f"LoRA rank {self.ranks[name]} is greater than max_lora_rank {self.max_rank}."
            return 400, {"error": {"message": message, "type": "BadRequestError", "code": 400}}
        self.models.append(name)
        return 200, {}

    def _unload(self, name: str) -> None:
        self.models.remove(name)

    def _find_missing(self, request: dict[str, Any]) -> str | None:
        model = str(request.get("model"))
        return None if model in self.models else model


class FakeSglang(FakeVllm):
    """SGLang: the endpoints stand above the version, and a request names its adapter by `lora_path`."""

    prefix = ""

    def __init__(self, answer: Answer, **options: Any) -> None:
        super().__init__(answer, **options)
        self.adapters: list[str] = []

    def _load(self, name: str) -> tuple[int, dict[str, Any]]:
        if self.ranks.get(name, 8) > self.max_rank:
            return 400, {"success": False, "error_message": "the rank is too large"}
        self.adapters.append(name)
        return 200, {"success": True, "loaded_adapters": {known: known for known in self.adapters}}

    def _unload(self, name: str) -> None:
        self.adapters.remove(name)

    def _find_missing(self, request: dict[str, Any]) -> str | None:
        name = request.get("lora_path")
        return None if name is None or name in self.adapters else name


class FakeLlamaCpp(FakeOpenAI):
    """llama.cpp's server: adapters named at the start, chosen by each request; any name of a model will do."""

    def __init__(self, answer: Answer, adapters: list[str], **options: Any) -> None:
        super().__init__(answer, ["base.gguf"], **options)
        self.adapters = adapters

    async def _respond(
        self, path: str, body: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        if path != "/lora-adapters":
            await super()._respond(path, body, reader, writer)
            return
        listed = [{"id": place, "path": name, "scale": 1.0} for place, name in enumerate(self.adapters)]
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nConnection: close\r\n\r\n")
        writer.write(json.dumps(listed).encode())
        await writer.drain()
