"""Adapters on a running model server: found under their ids, loaded where the engine can, unloaded when they are old.

Sources: vLLM's documentation on LoRA adapters (`/v1/load_lora_adapter`, `/v1/unload_lora_adapter`, switched on by
`VLLM_ALLOW_RUNTIME_LORA_UPDATING`), SGLang's on LoRA serving (`/load_lora_adapter`, `/unload_lora_adapter`, and a
request's field `lora_path`), and the README of llama.cpp's server (`/lora-adapters`, and a request's field `lora`).
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from userbot.domain.errors import AdapterError, GeneratorError
from userbot.generator.model_server import NO_ENDPOINT_STATUS, ModelServer, RefusedError

log = logging.getLogger(__name__)

SHOWN_REASON = 200
"""Characters of an engine's own reason that are shown; it holds paths and ranks, and no prompt."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Served:
    """How a server is asked for an adapter.

    Args:
        model: Value of the field `model`.
        fields: Further fields of each request.
        unload_url: Where the adapter is unloaded; None where it was not loaded from here.
    """

    model: str
    fields: Mapping[str, Any] = field(default_factory=dict)
    unload_url: str | None = None


async def find_adapter(server: ModelServer, adapter_id: str, *, folder: str) -> Served:
    """Find an adapter on a server, or have it loaded there.

    Args:
        server: The server.
        adapter_id: The adapter, which is also its name there.
        folder: Where the server itself finds the adapter's files.

    Returns:
        How to ask for it.

    Raises:
        AdapterError: The server does not serve it, and can't load it; the text says what to do.
        GeneratorError: The server refuses, or answers in a form of its own.
        GeneratorUnavailableError: It can't be reached.
    """
    try:
        models = await server.list_models()
    except RefusedError:
        # A server without a list is believed: it is asked for the name and may refuse it.
        return Served(model=adapter_id)
    if adapter_id in models:
        return Served(model=adapter_id)
    if (listed := await _find_in_llama_cpp(server, adapter_id, models)) is not None:
        return listed
    reasons = []
    for root in (server.url, server.root):
        served, reason = await _load(server, root, adapter_id, folder=folder, base=models[0] if models else adapter_id)
        if served is not None:
            log.info("adapter %s was loaded by the model server at %s", adapter_id, server.shown_url)
            return served
        if reason:
            reasons.append(reason)
    raise AdapterError(_explain(server, adapter_id, models, reasons))


async def find_base(server: ModelServer, base: str | None) -> Served:
    """Find a bare base on a server: the one that is named, else the first that it serves.

    Raises:
        AdapterError: The server does not serve it.
        GeneratorError: The server refuses, or answers in a form of its own.
        GeneratorUnavailableError: It can't be reached.
    """
    try:
        models = await server.list_models()
    except RefusedError:
        return Served(model=base or "default")
    if base is None and models:
        return Served(model=models[0])
    if base is None or base not in models:
        raise AdapterError(
            f"The model server at {server.shown_url} does not serve the base {base!r}; it serves "
            f"{', '.join(models) or 'nothing'}. Start it with that base, or name one of these: CLONE_BASE"
        )
    return Served(model=base)


async def unload_adapter(server: ModelServer, adapter_id: str, served: Served) -> None:
    """Have a server drop an adapter that was loaded from here; that it can't is no failure."""
    if served.unload_url is None:
        return
    try:
        status, _ = await server.call("POST", served.unload_url, {"lora_name": adapter_id})
        log.info("adapter %s was unloaded by the model server with status %d", adapter_id, status)
    except GeneratorError as exc:
        log.info("adapter %s is still loaded by the model server: %s", adapter_id, type(exc).__name__)


async def _load(
    server: ModelServer, root: str, adapter_id: str, *, folder: str, base: str
) -> tuple[Served | None, str | None]:
    """Ask vLLM (below the version) or SGLang (above it) to load; return how it is asked for, or why it can't."""
    body = {"lora_name": adapter_id, "lora_path": folder}
    status, answer = await server.call("POST", f"{root}/load_lora_adapter", body)
    reason = _read_reason(answer)
    if status in NO_ENDPOINT_STATUS and reason is None:
        return None, None
    failed = status >= 400 or (isinstance(answer, dict) and answer.get("success") is False)
    if failed and "already" not in str(answer).lower():
        return None, reason or f"status {status}"
    unload_url = f"{root}/unload_lora_adapter"
    if root == server.url:
        return Served(model=adapter_id, unload_url=unload_url), None
    return Served(model=base, fields={"lora_path": adapter_id}, unload_url=unload_url), None


async def _find_in_llama_cpp(server: ModelServer, adapter_id: str, models: list[str]) -> Served | None:
    """Find an adapter among those that llama.cpp was started with; each request names the one that counts."""
    status, adapters = await server.call("GET", f"{server.root}/lora-adapters")
    if status != 200 or not isinstance(adapters, list):
        return None
    for entry in adapters:
        if adapter_id in str(entry.get("path", "")):
            model = models[0] if models else adapter_id
            return Served(model=model, fields={"lora": [{"id": entry["id"], "scale": 1.0}]})
    known = ", ".join(str(entry.get("path")) for entry in adapters) or "none"
    raise AdapterError(
        f"The llama.cpp server at {server.shown_url} was started without the adapter {adapter_id!r} (it has: {known}). "
        f"Write it with `clone adapters export {adapter_id} --gguf FILE`, and start the server with --lora FILE; the "
        f"file's name must hold {adapter_id}. Or let the daemon run llama.cpp itself: CLONE_GENERATOR__KIND=llamacpp"
    )


def _read_reason(answer: Any) -> str | None:
    if not isinstance(answer, dict):
        return None
    error = answer.get("error") if isinstance(answer.get("error"), dict) else answer
    reason = error.get("message") or error.get("error_message") if isinstance(error, dict) else None
    return str(reason)[:SHOWN_REASON] if reason else None


def _explain(server: ModelServer, adapter_id: str, models: list[str], reasons: list[str]) -> str:
    text = (
        f"The model server at {server.shown_url} does not serve {adapter_id!r}; it serves "
        f"{', '.join(models) or 'nothing'}. "
    )
    if reasons:
        return text + (
            f"It was asked to load the adapter, and said: {'; '.join(reasons)}. Check that it finds the folder of "
            f"adapters (CLONE_GENERATOR__ADAPTERS_FOLDER is the path there) and allows the adapter's rank "
            f"(`--max-lora-rank`), then run `clone adapters use {adapter_id}` again."
        )
    return text + (
        f"It can't load adapters while it runs: start vLLM with --enable-lora and "
        f"VLLM_ALLOW_RUNTIME_LORA_UPDATING=True, or SGLang with --enable-lora; else load the adapter there under this "
        f"name, then run `clone adapters use {adapter_id}` again."
    )
