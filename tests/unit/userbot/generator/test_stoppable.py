"""A generator that was stopped writes nothing, and drops what it was writing."""

from __future__ import annotations

import pytest
from fakes_reply import ScriptedGenerator

from userbot.domain.errors import GeneratorUnavailableError
from userbot.domain.messages import Turn
from userbot.generator import Prompt
from userbot.generator.stoppable import StoppableGenerator

PROMPT = Prompt(turns=(Turn(False, ("hi",)),))


async def test_nothing_is_written_before_or_after_a_stop() -> None:
    stops = iter([None, None, None, "stopped", "stopped"])
    generator = StoppableGenerator(ScriptedGenerator("hello", "secret"), find_stop=lambda: next(stops))
    assert (await generator.generate(PROMPT)).bubbles == ("hello",)
    for _ in range(2):
        with pytest.raises(GeneratorUnavailableError, match="stopped"):
            await generator.generate(PROMPT)
