"""Having a reply written: up to three tries, each checked."""

from __future__ import annotations

import pytest
from fakes_reply import ScriptedGenerator

from userbot.domain.errors import GeneratorError
from userbot.domain.messages import Reply, Turn
from userbot.domain.metrics import Metrics
from userbot.generator import Prompt
from userbot.reply.guard import Check, PrivacyFinding
from userbot.reply.writing import Written, write_reply

PROMPT = Prompt(turns=(Turn(False, ("hi",)),))
CUT = Reply(bubbles=("so I",), finish="length", seconds=0.5)


async def _write(
    *script: Reply | Exception | str, last_own: str | None = None, checks: tuple[Check, ...] = ()
) -> Written:
    generator = ScriptedGenerator(*script)
    return await write_reply(generator, PROMPT, last_own=last_own, checks=checks, metrics=Metrics())


async def test_first_reply_that_passes_is_taken() -> None:
    written = await _write("hey|you")
    assert written.reply is not None and written.reply.bubbles == ("hey", "you")
    assert (written.problem, written.tries) == (None, 1)


async def test_unfit_reply_is_asked_for_again_and_the_time_adds_up() -> None:
    written = await _write(CUT, CUT, "fine")
    assert written.reply is not None and written.reply.bubbles == ("fine",)
    assert (written.problem, written.tries, written.seconds) == ("cut at the longest length", 3, 1.0)


async def test_three_unfit_replies_are_enough() -> None:
    written = await _write(CUT, "", CUT, "too late")
    assert (written.reply, written.problem, written.tries) == (None, "cut at the longest length", 3)


async def test_last_own_words_and_further_checks_count() -> None:
    last = "I am on my way home"
    written = await _write(last, "my card", "see you", last_own=last, checks=(lambda d: _find_card(d.reply),))
    assert written.reply is not None and written.reply.bubbles == ("see you",)
    assert written.problem == "private data"


def _find_card(reply: Reply) -> str | None:
    return "private data" if "card" in reply.bubbles[0] else None


async def test_what_must_stay_private_is_not_drawn_again() -> None:
    async def find(reply: Reply) -> PrivacyFinding | None:
        return PrivacyFinding("a number") if "4711" in reply.bubbles[0] else None

    generator = ScriptedGenerator(CUT, Reply(bubbles=("4711",), finish="length"), "fine")
    written = await write_reply(generator, PROMPT, last_own=None, checks=(), metrics=Metrics(), privacy=find)
    assert (written.finding, written.tries) == (PrivacyFinding("a number"), 2)
    assert generator.script == ["fine"]


async def test_failure_of_the_model_is_not_tried_again_here() -> None:
    with pytest.raises(GeneratorError):
        await _write(GeneratorError("It failed."), "fine")


async def test_tokens_of_all_tries_are_counted() -> None:
    metrics, cut = Metrics(), Reply(bubbles=("so I",), finish="length", prompt_tokens=30, new_tokens=4)
    fine = Reply(bubbles=("fine",), prompt_tokens=30, new_tokens=2)
    await write_reply(ScriptedGenerator(cut, fine), PROMPT, last_own=None, checks=(), metrics=metrics)
    counted = [metrics.registry.get_sample_value("clone_tokens_total", {"kind": kind}) for kind in ("prompt", "reply")]
    assert counted == [60, 6]
