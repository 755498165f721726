"""The local generator with the embedded base: the real model, without an adapter."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

import pytest

from userbot.domain.messages import Turn
from userbot.domain.sampling import Sampling
from userbot.generator import Prompt
from userbot.generator.local import LocalGenerator
from userbot.store.adapters import AdapterShelf

pytest.importorskip("torch")

ASKED = Prompt(turns=(Turn(False, ("hi, how are you?",)),), system="Chat with Vera.")


@pytest.mark.slow
async def test_embedded_base_answers_and_stops_when_cancelled(tmp_path: Path) -> None:
    generator = await LocalGenerator.load(
        base="tiny",
        adapter_id=None,
        shelf=AdapterShelf(tmp_path / "adapters"),
        models=tmp_path / "models",
        load_in_4bit=False,
        sampling=Sampling(max_new_tokens=400, temperature=0.9),
    )
    task = asyncio.create_task(generator.generate(ASKED))
    await asyncio.sleep(0.02)
    task.cancel()
    started = time.monotonic()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert time.monotonic() - started < 3
    reply = await generator.generate(ASKED)
    assert reply.prompt_tokens > 5
    assert reply.new_tokens > 0
    assert reply.seconds > 0
    assert reply.adapter_id is None
    await generator.close()
