"""Adapters on running engines: loaded, asked for, unloaded, lost and loaded again."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from adapter_shelf import make_shelf
from fake_engine import FakeLlamaCpp, FakeSglang, FakeVllm
from fake_openai import FakeOpenAI
from telegram_stage import wait_until

from userbot.domain.errors import AdapterError, GeneratorError
from userbot.domain.messages import Turn
from userbot.generator import Prompt
from userbot.generator.engine_control import Served, find_base
from userbot.generator.model_server import ModelServer
from userbot.generator.remote import RemoteGenerator
from userbot.store.adapters import AdapterShelf

ASKED = Prompt(turns=(Turn(False, ("and?",)),))


def say_yes(asked: str) -> tuple[str, str, float]:
    """Answer at once."""
    return "yes", "stop", 0.0


@pytest.fixture
def shelf(tmp_path: Path) -> AdapterShelf:
    return make_shelf(tmp_path, a1={}, a2={})


@pytest.fixture(params=[FakeVllm, FakeSglang], ids=["vllm", "sglang"])
async def engine(request: pytest.FixtureRequest) -> AsyncIterator[FakeVllm]:
    async with request.param(say_yes).running() as started:
        yield started


@pytest.fixture
async def remote(engine: FakeVllm, shelf: AdapterShelf) -> AsyncIterator[RemoteGenerator]:
    made = RemoteGenerator(url=engine.url, shelf=shelf, adapter_id="a1", timeout_s=5)
    yield made
    await made.close()


def _asked_for(engine: FakeOpenAI) -> list[str]:
    return [request.get("lora_path", request["model"]) for request in engine.requests]


async def test_adapter_is_loaded_before_the_first_request_and_only_once(
    engine: FakeVllm, remote: RemoteGenerator, shelf: AdapterShelf
) -> None:
    await asyncio.gather(*(remote.generate(ASKED) for _ in range(4)))
    assert engine.loads == [{"lora_name": "a1", "lora_path": str(shelf.path("a1"))}]
    assert _asked_for(engine) == ["a1"] * 4


async def test_new_adapter_is_loaded_and_the_old_one_unloaded(engine: FakeVllm, remote: RemoteGenerator) -> None:
    await remote.generate(ASKED)
    await remote.activate("a2")
    assert (await remote.generate(ASKED)).adapter_id == "a2"
    await wait_until(lambda: engine.unloads)
    assert (_asked_for(engine), engine.unloads) == (["a1", "a2"], ["a1"])


async def test_old_adapter_stays_until_its_last_reply_is_written(engine: FakeVllm, remote: RemoteGenerator) -> None:
    await remote.generate(ASKED)
    engine._answer = lambda _asked: ("late", "stop", 0.3)
    reply = asyncio.create_task(remote.generate(ASKED))
    await wait_until(lambda: len(engine.requests) == 2)
    await remote.activate("a2")
    assert engine.unloads == []
    assert (await reply).adapter_id == "a1"
    await wait_until(lambda: engine.unloads == ["a1"])


async def test_adapter_lost_by_a_restart_of_the_server_is_loaded_again(
    engine: FakeVllm, remote: RemoteGenerator
) -> None:
    await remote.generate(ASKED)
    engine.models[:] = ["base"]
    if isinstance(engine, FakeSglang):
        engine.adapters.clear()
    assert (await remote.generate(ASKED)).bubbles == ("yes",)
    assert [load["lora_name"] for load in engine.loads] == ["a1", "a1"]


async def test_adapter_that_the_engine_refuses_keeps_the_old_one_and_says_why(
    engine: FakeVllm, remote: RemoteGenerator
) -> None:
    engine.ranks["a2"] = 64
    with pytest.raises(AdapterError, match=r"said: .*rank.*--max-lora-rank"):
        await remote.activate("a2")
    assert remote.adapter_id == "a1"
    assert (await remote.generate(ASKED)).adapter_id == "a1"
    assert engine.unloads == []


async def test_server_in_a_container_is_told_its_own_path(engine: FakeVllm, shelf: AdapterShelf) -> None:
    remote = RemoteGenerator(url=engine.url, shelf=shelf, adapter_id="a1", adapters_folder="/adapters/")
    await remote.generate(ASKED)
    await remote.close()
    assert engine.loads[0]["lora_path"] == "/adapters/a1"


async def test_engine_that_may_not_load_is_explained(shelf: AdapterShelf) -> None:
    async with FakeVllm(say_yes, allowed=False).running() as engine:
        remote = RemoteGenerator(url=engine.url, shelf=shelf, adapter_id="a1")
        with pytest.raises(GeneratorError, match="VLLM_ALLOW_RUNTIME_LORA_UPDATING=True"):
            await remote.generate(ASKED)
        await remote.close()


class TestLlamaCpp:
    """Adapters are named when the server starts; each request says which one counts."""

    async def test_each_request_names_the_active_adapter(self, shelf: AdapterShelf) -> None:
        async with FakeLlamaCpp(say_yes, ["/m/a1.gguf", "/m/a2.gguf"]).running() as engine:
            remote = RemoteGenerator(url=engine.url, shelf=shelf, adapter_id="a1")
            await remote.generate(ASKED)
            await remote.activate("a2")
            await remote.generate(ASKED)
            await remote.close()
        assert [request["lora"] for request in engine.requests] == [[{"id": n, "scale": 1.0}] for n in (0, 1)]

    async def test_adapter_that_it_was_not_started_with_is_never_answered_by_another(self, shelf: AdapterShelf) -> None:
        async with FakeLlamaCpp(say_yes, ["/m/a1.gguf"]).running() as engine:
            remote = RemoteGenerator(url=engine.url, shelf=shelf, adapter_id="a2")
            with pytest.raises(GeneratorError, match=r"started without the adapter 'a2' \(it has: /m/a1.gguf\)"):
                await remote.generate(ASKED)
            await remote.close()
        assert engine.requests == []


async def test_base_is_the_named_one_or_the_only_one() -> None:
    async with FakeOpenAI(say_yes, ["b1", "b2"]).running() as engine:
        server = ModelServer(engine.url)
        assert await find_base(server, None) == Served(model="b1")
        assert await find_base(server, "b2") == Served(model="b2")
        with pytest.raises(AdapterError, match="does not serve the base 'b3'; it serves b1, b2"):
            await find_base(server, "b3")
        await server.close()
