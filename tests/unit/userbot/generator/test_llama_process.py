"""The process that holds llama.cpp: what it serves, to whom, and when it ends."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

import httpx
import pytest

from userbot.generator.llama_process import LlamaConfig

KEY = {"Authorization": "Bearer key1"}


def make_config(model: Path) -> LlamaConfig:
    """Return a small configuration."""
    return LlamaConfig(model=str(model), lora=None, api_key="key1", context_tokens=200, slots=2, threads=2)


@contextmanager
def running(config: LlamaConfig) -> Iterator[tuple[subprocess.Popen[str], dict[str, Any]]]:
    """Run the process, and yield it with what it said."""
    command = [sys.executable, "-P", "-m", "userbot.generator.llama_process"]
    pipes: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL}
    with subprocess.Popen(command, text=True, **pipes) as process:
        assert process.stdin is not None and process.stdout is not None
        process.stdin.write(json.dumps(asdict(config)) + "\n")
        process.stdin.flush()
        try:
            yield process, json.loads(process.stdout.readline())
        finally:
            process.kill()


def test_it_answers_who_has_the_key_on_the_loopback_interface_and_ends_with_its_parent(tiny_gguf: Path) -> None:
    with running(make_config(tiny_gguf)) as (process, said), httpx.Client() as client:
        url = said["url"]
        assert url.startswith("http://127.0.0.1:") and url.endswith("/v1")
        body = {"prompt": [1, 4, 300], "max_tokens": 2, "temperature": 0}
        assert client.post(f"{url}/completions", json=body).status_code == 401
        answer = client.post(f"{url}/completions", json=body, headers=KEY).json()
        assert answer["usage"]["prompt_tokens"] == 3
        root = url.removesuffix("/v1")
        assert client.get(f"{root}/slots", headers=KEY).status_code == 501  # what is being written is shown to nobody
        assert client.get(f"{root}/", headers=KEY).status_code == 404  # no page
        assert process.stdin is not None
        process.stdin.close()
        assert process.wait(10) == 0


def test_model_that_can_not_be_read_is_an_error_and_an_exit_code(tmp_path: Path) -> None:
    pytest.importorskip("xllamacpp")
    (tmp_path / "broken.gguf").write_bytes(b"nothing")
    with running(make_config(tmp_path / "broken.gguf")) as (process, said):
        assert "RuntimeError" in said["error"]
        assert process.wait(10) == 1
