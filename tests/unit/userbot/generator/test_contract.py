"""What every generator keeps to: local, remote by messages and by token ids, suspendable, and the fake of the tests."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from adapter_shelf import make_shelf
from fake_model import CharacterEncoder, FakeModel, decode_prompt
from fake_openai import FakeOpenAI
from fakes_reply import ScriptedGenerator

from userbot.domain.errors import AdapterError, GeneratorError
from userbot.domain.messages import Reply, Turn
from userbot.domain.prompt_rules import PromptRules
from userbot.generator import Generator, Prompt
from userbot.generator.local import LocalGenerator
from userbot.generator.remote import RemoteGenerator
from userbot.generator.suspendable import SuspendableGenerator

ADAPTERS = ["first", "second"]
MADE_AT = datetime(2026, 1, 5, 12, tzinfo=UTC)
FIRST_RULES = PromptRules(text_format="chat", names_at=MADE_AT)
SECOND_RULES = PromptRules(session_gap=timedelta(hours=1), system_line=False, text_format="chat", names_at=MADE_AT)
GENERATORS = ["local", "remote, messages", "remote, token ids", "suspendable", "fake"]


def answer(asked: str) -> tuple[str, str, float]:
    """Return text, finish reason and seconds of work."""
    if asked.startswith("slow"):
        return "done", "stop", 5.0
    if asked.startswith("think"):
        return "done", "stop", 0.4
    if asked.startswith("cut"):
        return "so I was", "length", 0.0
    return f"{asked}, yes\nand you?", "stop", 0.05


class ContractFake(ScriptedGenerator):
    """The scripted fake, with the answers of the contract."""

    async def generate(self, prompt: Prompt) -> Reply:
        asked = prompt.turns[-1].bubbles[-1]
        if asked == "fail":
            raise GeneratorError("It failed.")
        text, finish, seconds = answer(asked)
        await asyncio.sleep(seconds)
        return Reply(bubbles=tuple(text.split("\n")), finish=finish, adapter_id=self.adapter_id)


@pytest.fixture(params=GENERATORS)
async def generator(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Generator]:
    shelf = make_shelf(tmp_path, first={}, second={"session_gap_h": 1, "system_line": False})
    made: Generator
    async with AsyncExitStack() as stack:
        if request.param == "fake":
            fake = ContractFake()
            fake.rules_by_adapter = {"first": FIRST_RULES, "second": SECOND_RULES}
            await fake.activate("first")
            made = fake
        elif request.param.startswith("remote"):
            ids = request.param == "remote, token ids"
            fake_server = FakeOpenAI(answer, ADAPTERS, decode=decode_prompt if ids else None)
            server = await stack.enter_async_context(fake_server.running())
            load = (lambda _base, _format: CharacterEncoder()) if ids else None
            made = RemoteGenerator(url=server.url, shelf=shelf, adapter_id="first", load_encoder=load)
        else:
            made = LocalGenerator(FakeModel(answer, ADAPTERS), shelf=shelf, adapter_id="first")
            if request.param == "suspendable":
                made = SuspendableGenerator(_never, made)
        stack.push_async_callback(made.close)
        yield made


async def _never() -> Generator:
    raise AssertionError("nothing is to be loaded")


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


async def test_rules_are_those_of_the_active_adapter(generator: Generator) -> None:
    assert generator.rules == FIRST_RULES
    await generator.activate("second")
    assert generator.rules == SECOND_RULES
    await generator.activate("first")
    assert generator.rules == FIRST_RULES


async def test_unusable_adapter_keeps_the_old_one(generator: Generator) -> None:
    with pytest.raises(AdapterError):
        await generator.activate("missing")
    assert generator.adapter_id == "first"
    assert generator.rules == FIRST_RULES
    assert (await generator.generate(_ask("tea?"))).adapter_id == "first"
