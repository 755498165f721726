"""The generator that suspended: it answers, makes room, and comes back with what is in service by then."""

from __future__ import annotations

import pytest
from fakes_reply import ScriptedGenerator

from userbot.domain.errors import GeneratorUnavailableError
from userbot.domain.messages import Turn
from userbot.generator import Generator, Prompt
from userbot.generator.suspendable import SuspendableGenerator

PROMPT = Prompt(turns=(Turn(False, ("hi",)),))


async def test_it_answers_as_the_one_inside() -> None:
    resting: Generator = SuspendableGenerator(_never, ScriptedGenerator("hey"))

    assert (await resting.generate(PROMPT)).bubbles == ("hey",)


async def test_while_it_rests_answers_wait_and_then_come_from_the_new_one() -> None:
    async def load() -> Generator:
        return ScriptedGenerator("new")

    resting = SuspendableGenerator(load, ScriptedGenerator("old"))
    await resting.suspend()
    with pytest.raises(GeneratorUnavailableError) as caught:
        await resting.generate(PROMPT)
    assert str(caught.value) == "The model made room for training. Answers wait until it is over."
    assert resting.adapter_id == ScriptedGenerator().adapter_id

    await resting.resume()

    assert (await resting.generate(PROMPT)).bubbles == ("new",)


async def test_waking_what_is_awake_loads_nothing() -> None:
    resting = SuspendableGenerator(_never, ScriptedGenerator("hey"))

    await resting.resume()

    assert (await resting.generate(PROMPT)).bubbles == ("hey",)


async def _never() -> Generator:
    raise AssertionError("nothing is to be loaded")
