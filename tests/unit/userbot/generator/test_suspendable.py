"""The suspendable generator: it gives its memory away, and comes back with the adapter that is active by then."""

from __future__ import annotations

import pytest
from fakes_reply import ScriptedGenerator

from userbot.domain.errors import GeneratorUnavailableError
from userbot.domain.messages import Turn
from userbot.domain.prompt_rules import PromptRules
from userbot.generator import Generator, Prompt
from userbot.generator.suspendable import SuspendableGenerator

PROMPT = Prompt(turns=(Turn(False, ("hi",)),))
RULES = PromptRules(system_line=False)


async def test_while_suspended_answers_wait_and_then_come_from_the_new_model() -> None:
    async def load() -> Generator:
        return ScriptedGenerator("new")

    old = ScriptedGenerator("old")
    old.rules_by_adapter = {old.adapter_id: RULES}
    generator = SuspendableGenerator(load, old)
    await generator.suspend()
    with pytest.raises(GeneratorUnavailableError) as caught:
        await generator.generate(PROMPT)
    assert str(caught.value) == "The model is unloaded while training runs. Answers wait until it is over."
    assert (generator.adapter_id, generator.rules) == (old.adapter_id, RULES)

    await generator.resume()

    assert (await generator.generate(PROMPT)).bubbles == ("new",)


async def test_adapter_activated_while_suspended_is_left_to_the_next_load() -> None:
    async def load() -> Generator:
        loaded = ScriptedGenerator()
        await loaded.activate("a2")
        return loaded

    generator = SuspendableGenerator(load, ScriptedGenerator())
    await generator.suspend()
    await generator.activate("a2")
    assert generator.adapter_id == "a1"
    await generator.resume()
    assert generator.adapter_id == "a2"


async def test_resuming_what_is_not_suspended_loads_nothing() -> None:
    generator = SuspendableGenerator(_never, ScriptedGenerator("hey"))

    await generator.resume()

    assert (await generator.generate(PROMPT)).bubbles == ("hey",)


async def _never() -> Generator:
    raise AssertionError("nothing is to be loaded")
