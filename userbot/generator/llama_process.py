"""llama.cpp's server in a process of its own, `python -m userbot.generator.llama_process`, for `LlamaCppGenerator`.

Its configuration comes as one line of JSON on standard input, so that the key stands in no list of processes. The
answer is one line: `{"url": …}` once the model is loaded, or `{"error": …}`. The process ends when its standard input
ends, and so with the process that started it, however that ends.

Source: the package xllamacpp, which binds llama.cpp's own server; and the README of llama.cpp's server.
"""

from __future__ import annotations

import json
import socket
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from userbot.config.process import harden_process

HOST = "127.0.0.1"


@dataclass(frozen=True, slots=True, kw_only=True)
class LlamaConfig:
    """What a server is started with.

    Args:
        model: The base, a GGUF file.
        lora: The adapter, a GGUF file; None serves the bare base.
        api_key: Without it nobody on this machine is answered.
        context_tokens: Of each conversation: prompt and reply.
        slots: Conversations that are answered at a time.
        threads: Of computation.
    """

    model: str
    lora: str | None
    api_key: str
    context_tokens: int
    slots: int
    threads: int


def main() -> int:
    """Serve until standard input ends; return the exit code."""
    harden_process()
    config = LlamaConfig(**json.loads(sys.stdin.readline()))
    try:
        server = _start(config)
    except Exception as exc:
        _say(error=f"{type(exc).__name__}: {exc}")
        return 1
    _say(url=f"{server.listening_address}/v1")
    sys.stdin.read()
    return 0


def _start(config: LlamaConfig) -> Any:
    import xllamacpp  # type: ignore[import-untyped]  # a compiled module

    params = xllamacpp.CommonParams()
    params.model.path = config.model
    params.model_alias = {Path(config.model).stem}
    params.hostnames = [HOST]
    params.port = _find_port()
    params.api_keys = [config.api_key]
    params.n_parallel = config.slots
    params.n_ctx = config.slots * config.context_tokens
    for threads in (params.cpuparams, params.cpuparams_batch):
        threads.n_threads = config.threads
    # Special tokens stay in the text, so that what the model writes after one can be cut off.
    params.special = True
    # Neither a page nor what is being written is shown to anybody.
    params.ui = params.endpoint_slots = params.endpoint_props = params.endpoint_metrics = False
    if config.lora is not None:
        params.lora_adapters = [xllamacpp.CommonAdapterLoraInfo(config.lora, 1.0)]
    return xllamacpp.Server(params)


def _find_port() -> int:
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])


def _say(**line: str) -> None:
    print(json.dumps(line), flush=True)  # noqa: T201  # the parent waits for this line


if __name__ == "__main__":
    sys.exit(main())
