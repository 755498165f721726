"""The remote generator against a real model server: `transformers serve` with the embedded base."""

from __future__ import annotations

import asyncio
import os
import socket
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from userbot.domain.errors import GeneratorUnavailableError
from userbot.domain.messages import Turn
from userbot.domain.sampling import Sampling
from userbot.generator import Prompt
from userbot.generator.prompt_encoder import load_encoder
from userbot.generator.remote import RemoteGenerator
from userbot.store.adapters import AdapterShelf

for needed in ("torch", "fastapi", "uvicorn", "openai"):
    pytest.importorskip(needed)

START_S = 150.0


def _find_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


async def _wait_for(url: str, process: asyncio.subprocess.Process) -> None:
    async with httpx.AsyncClient() as client, asyncio.timeout(START_S):
        while process.returncode is None:
            try:
                if (await client.get(url)).status_code < 500:
                    return
            except httpx.TransportError:
                await asyncio.sleep(0.5)
    raise AssertionError("the model server has ended")


@pytest.fixture
async def served(tmp_path: Path) -> AsyncIterator[tuple[str, str]]:
    from training.tiny import materialise

    folder, port = materialise(tmp_path), _find_port()
    program = Path(sys.executable).with_name("transformers")
    process = await asyncio.create_subprocess_exec(
        *(str(program), "serve", str(folder), "--host", "127.0.0.1", "--port", str(port), "--device", "cpu"),
        env={**os.environ, "HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "2"},
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
    )
    try:
        await _wait_for(f"http://127.0.0.1:{port}/health", process)
        yield f"http://127.0.0.1:{port}/v1", str(folder)
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()
        process._transport.close()  # type: ignore[attr-defined]  # asyncio offers no public way


@pytest.mark.slow
@pytest.mark.timeout(240)
async def test_real_server_reads_training_s_tokens_is_cancelled_and_goes_away(
    served: tuple[str, str], tmp_path: Path
) -> None:
    url, model = served
    shelf = AdapterShelf(tmp_path / "adapters")
    encoder = load_encoder(model, "auto", models=tmp_path)
    assert encoder is not None
    remote = RemoteGenerator(
        url=url,
        shelf=shelf,
        base=model,
        sampling=Sampling(max_new_tokens=48),
        load_encoder=lambda _base, _format: encoder,
        allow_bare_base=True,
        tries=1,
    )
    turns = (Turn(True, ("hey",)), Turn(False, ("hi", "how are\nyou?")), Turn(True, ("ok",)), Turn(False, ("tea?",)))
    prompt = Prompt(turns=turns, system="Chat with Vera.")
    reply = await remote.generate(prompt)
    # This server takes no token ids, so its own template has made these of the messages.
    assert reply.prompt_tokens == len(encoder.encode(prompt, max_tokens=1024))
    assert reply.new_tokens > 0
    assert reply.finish in ("stop", "length")
    task = asyncio.create_task(remote.generate(prompt))
    await asyncio.sleep(0.05)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    replies = await asyncio.gather(*(remote.generate(prompt) for _ in range(3)))
    assert all(one.new_tokens for one in replies)
    await remote.close()
    gone = RemoteGenerator(
        url=f"http://127.0.0.1:{_find_port()}/v1", shelf=shelf, base=model, allow_bare_base=True, tries=1
    )
    with pytest.raises(GeneratorUnavailableError):
        await gone.generate(prompt)
    await gone.close()
