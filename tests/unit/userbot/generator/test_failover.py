"""Several model servers: which one is asked while others fail, and which adapter they have."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest
from adapter_shelf import make_shelf
from fake_openai import FakeOpenAI

from userbot.domain.errors import AdapterError, GeneratorUnavailableError
from userbot.domain.messages import Turn
from userbot.generator import Prompt
from userbot.generator.failover import OPEN_S, FailoverGenerator
from userbot.generator.remote import RemoteGenerator
from userbot.store.adapters import AdapterShelf

ASKED = Prompt(turns=(Turn(False, ("and?",)),))
DOWN = 503


class Clock:
    """Monotonic seconds that move when told."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def shelf(tmp_path: Path) -> AdapterShelf:
    return make_shelf(tmp_path, a1={}, a2={}, a3={})


@pytest.fixture
async def servers() -> AsyncIterator[list[FakeOpenAI]]:
    async with AsyncExitStack() as stack:
        yield [
            await stack.enter_async_context(FakeOpenAI(_speaker(name), ["a1", "a2"]).running())
            for name in ("first", "second")
        ]


def _speaker(name: str):  # type: ignore[no-untyped-def]  # a test's shorthand
    return lambda _asked: (name, "stop", 0.0)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
async def generator(servers: list[FakeOpenAI], shelf: AdapterShelf, clock: Clock) -> AsyncIterator[FailoverGenerator]:
    made = FailoverGenerator(
        [RemoteGenerator(url=server.url, shelf=shelf, adapter_id="a1", tries=1) for server in servers], clock=clock
    )
    yield made
    await made.close()


async def _ask(generator: FailoverGenerator, times: int = 1) -> list[str]:
    return [(await generator.generate(ASKED)).bubbles[0] for _ in range(times)]


async def test_first_server_answers_while_it_is_in_order(generator: FailoverGenerator) -> None:
    assert await _ask(generator, 3) == ["first"] * 3


async def test_next_server_answers_while_the_first_fails_and_the_first_is_left_alone_for_a_while(
    generator: FailoverGenerator, servers: list[FakeOpenAI], clock: Clock
) -> None:
    servers[0].statuses_by_path["chat/completions"] = DOWN
    assert await _ask(generator, 4) == ["second"] * 4
    assert len(servers[0].paths) == 2
    servers[0].statuses_by_path.clear()
    assert await _ask(generator) == ["second"]
    clock.now += OPEN_S + 1
    assert await _ask(generator, 2) == ["first"] * 2


async def test_server_that_still_fails_after_the_pause_is_asked_once(
    generator: FailoverGenerator, servers: list[FakeOpenAI], clock: Clock
) -> None:
    servers[0].statuses_by_path["chat/completions"] = DOWN
    await _ask(generator, 2)
    clock.now += OPEN_S + 1
    await _ask(generator, 3)
    assert len(servers[0].paths) == 3


async def test_all_are_asked_when_all_are_out_of_order(generator: FailoverGenerator, servers: list[FakeOpenAI]) -> None:
    for server in servers:
        server.statuses_by_path["chat/completions"] = DOWN
    for _ in range(3):
        with pytest.raises(GeneratorUnavailableError, match=servers[0].url):
            await generator.generate(ASKED)
    servers[1].statuses_by_path.clear()
    assert await _ask(generator) == ["second"]


async def test_server_without_the_new_adapter_never_answers_with_the_old_one(
    generator: FailoverGenerator, servers: list[FakeOpenAI]
) -> None:
    servers[0].models.remove("a2")
    await generator.activate("a2")
    assert (generator.adapter_id, generator.rules.text_format) == ("a2", "chat")
    assert await _ask(generator, 2) == ["second"] * 2
    assert servers[0].requests == []


async def test_adapter_that_no_server_has_keeps_the_old_one_everywhere(generator: FailoverGenerator) -> None:
    with pytest.raises(AdapterError, match="does not serve 'a3'"):
        await generator.activate("a3")
    assert generator.adapter_id == "a1"
    assert await _ask(generator) == ["first"]
