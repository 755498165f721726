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


@pytest.mark.slow
async def test_sixteen_chats_are_answered_together_as_each_would_be_alone(tmp_path: Path) -> None:
    generator = await LocalGenerator.load(
        base="tiny",
        adapter_id=None,
        shelf=AdapterShelf(tmp_path / "adapters"),
        models=tmp_path / "models",
        load_in_4bit=True,
        sampling=Sampling(max_new_tokens=12, temperature=0.9, seed=5, max_prompt_tokens=100),
        engine="on",
    )
    prompts = [Prompt(turns=(Turn(False, (f"hi, how is number {number}?",)),), system=None) for number in range(16)]
    together = await asyncio.gather(*(generator.generate(prompt) for prompt in prompts))
    alone = [await generator.generate(prompt) for prompt in prompts[:4]]
    assert [reply.bubbles for reply in together[:4]] == [reply.bubbles for reply in alone]
    assert all(reply.new_tokens for reply in together)
    await generator.close()
