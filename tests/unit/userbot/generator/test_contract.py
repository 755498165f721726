"""What every generator keeps to: the local one, the remote one, and the fake of the tests."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from fake_openai import FakeOpenAI
from fakes_reply import ScriptedGenerator

from userbot.domain.errors import AdapterError, GeneratorError
from userbot.domain.messages import Reply, Turn
from userbot.generator import Generator, Prompt
from userbot.generator.local import LocalGenerator
from userbot.generator.remote import RemoteGenerator
from userbot.store.adapters import AdapterShelf, Manifest

ADAPTERS = ["first", "second"]


def answer(asked: str) -> tuple[str, str, float]:
    """Return text, finish reason and seconds of work."""
    if asked.startswith("slow"):
        return "done", "stop", 5.0
    if asked.startswith("think"):
        return "done", "stop", 0.4
    if asked.startswith("cut"):
        return "so I was", "length", 0.0
    return f"{asked}, yes\nand you?", "stop", 0.05


class FakeModel:
    """Works as a loaded model does: blocking, asking now and then whether to stop."""

    def __init__(self) -> None:
        self.stopped = 0
        self.systems: list[str | None] = []

    def reply(
        self,
        turns: Sequence[Turn],
        *,
        system: str | None = None,
        sampling: Any = None,
        should_stop: Callable[[], bool] | None = None,
    ) -> Reply:
        asked = turns[-1].bubbles[-1]
        self.systems.append(system)
        if asked == "fail":
            raise RuntimeError("CUDA error")
        text, finish, seconds = answer(asked)
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            if should_stop is not None and should_stop():
                self.stopped += 1
                return Reply(bubbles=(), finish="cancelled")
            time.sleep(0.005)
        return Reply(bubbles=tuple(text.split("\n")), finish=finish)

    def activate(self, folder: Path | None) -> None:
        if folder is not None and folder.name not in ADAPTERS:
            raise AdapterError(f"{folder} does not exist.")


class ContractFake(ScriptedGenerator):
    """The scripted fake, with the answers of the contract."""

    async def generate(self, prompt: Prompt) -> Reply:
        asked = prompt.turns[-1].bubbles[-1]
        if asked == "fail":
            raise GeneratorError("It failed.")
        text, finish, seconds = answer(asked)
        await asyncio.sleep(seconds)
        return Reply(bubbles=tuple(text.split("\n")), finish=finish, adapter_id=self.adapter_id)


@pytest.fixture(params=["local", "remote", "fake"])
async def generator(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Generator]:
    if request.param == "fake":
        fake = ContractFake()
        await fake.activate("first")
        yield fake
    elif request.param == "local":
        local = LocalGenerator(FakeModel(), shelf=_make_shelf(tmp_path), adapter_id="first")
        yield local
        await local.close()
    else:
        async with FakeOpenAI(answer, ADAPTERS).running() as server:
            remote = RemoteGenerator(url=server.url, model="first", adapter_id="first")
            yield remote
            await remote.close()


def _make_shelf(folder: Path) -> AdapterShelf:
    shelf = AdapterShelf(folder)
    for name in ADAPTERS:
        config = {"data": {"system_line": name == "first"}}
        with shelf.write(Manifest(id=name, base="tiny", created_at="2026-01-05T12:00:00+00:00", config=config)):
            pass
    return shelf


def _ask(text: str) -> Prompt:
    return Prompt(turns=(Turn(False, ("earlier",)), Turn(True, ("mine",)), Turn(False, (text,))))


async def test_reply_has_its_bubbles_in_order_and_its_adapter(generator: Generator) -> None:
    reply = await generator.generate(_ask("tea?"))
    assert reply.bubbles == ("tea?, yes", "and you?")
    assert (reply.finish, reply.adapter_id) == ("stop", "first")


async def test_cut_reply_says_so(generator: Generator) -> None:
    assert (await generator.generate(_ask("cut"))).finish == "length"


async def test_overlapping_calls_are_all_answered(generator: Generator) -> None:
    texts = [f"chat {number}" for number in range(6)]
    replies = await asyncio.gather(*(generator.generate(_ask(text)) for text in texts))
    assert [reply.bubbles[0] for reply in replies] == [f"{text}, yes" for text in texts]


async def test_cancelled_call_stops_soon_and_the_next_one_is_served(generator: Generator) -> None:
    task = asyncio.create_task(generator.generate(_ask("slow")))
    await asyncio.sleep(0.1)
    started = time.monotonic()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert (await generator.generate(_ask("next"))).bubbles[0] == "next, yes"
    assert time.monotonic() - started < 2


async def test_event_loop_goes_on_during_a_generation(generator: Generator) -> None:
    task = asyncio.create_task(generator.generate(_ask("think")))
    ticks = 0
    while not task.done():
        await asyncio.sleep(0.005)
        ticks += 1
    assert ticks >= 3


async def test_later_replies_are_written_with_another_adapter(generator: Generator) -> None:
    await generator.activate("second")
    assert generator.adapter_id == "second"
    assert (await generator.generate(_ask("tea?"))).adapter_id == "second"


async def test_unusable_adapter_keeps_the_old_one(generator: Generator) -> None:
    with pytest.raises(AdapterError):
        await generator.activate("missing")
    assert generator.adapter_id == "first"
    assert (await generator.generate(_ask("tea?"))).adapter_id == "first"


async def test_failure_of_the_model_is_a_generator_error_and_not_the_end(tmp_path: Path) -> None:
    local = LocalGenerator(FakeModel(), shelf=AdapterShelf(tmp_path))
    with pytest.raises(GeneratorError) as caught:
        await local.generate(_ask("fail"))
    assert str(caught.value) == (
        "The model failed (RuntimeError). If it goes on, lower CLONE_REPLY__CONTEXT_TOKENS or restart with `clone run`."
    )
    assert (await local.generate(_ask("tea?"))).bubbles[0] == "tea?, yes"
    await local.close()


async def test_adapter_trained_without_a_line_on_the_contact_is_shown_none(tmp_path: Path) -> None:
    model = FakeModel()
    local = LocalGenerator(model, shelf=_make_shelf(tmp_path), adapter_id="first")
    prompt = Prompt(turns=(Turn(False, ("tea?",)),), system="Chat with Vera.")
    await local.generate(prompt)
    await local.activate("second")
    await local.generate(prompt)
    assert model.systems == ["Chat with Vera.", None]
    await local.close()


async def test_cancelled_call_frees_the_local_model_before_the_next_begins(tmp_path: Path) -> None:
    model = FakeModel()
    local = LocalGenerator(model, shelf=AdapterShelf(tmp_path))
    first = asyncio.create_task(local.generate(_ask("slow")))
    await asyncio.sleep(0.05)
    second = asyncio.create_task(local.generate(_ask("tea?")))
    first.cancel()
    assert (await second).bubbles[0] == "tea?, yes"
    assert model.stopped == 1
    await local.close()
