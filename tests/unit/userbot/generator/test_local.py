"""The local generator: one model for all chats, on a thread of its own."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from adapter_shelf import make_shelf
from fake_model import FakeModel

from userbot.domain.errors import AdapterError, GeneratorError
from userbot.domain.messages import Turn
from userbot.domain.prompt_rules import DEFAULT_RULES
from userbot.generator import Prompt
from userbot.generator.local import LocalGenerator


def answer(asked: str) -> tuple[str, str, float]:
    return f"{asked}, yes", "stop", 5.0 if asked == "slow" else 0.0


def _ask(text: str, system: str | None = None) -> Prompt:
    return Prompt(turns=(Turn(False, (text,)),), system=system)


async def test_failure_of_the_model_is_a_generator_error_and_not_the_end(tmp_path: Path) -> None:
    local = LocalGenerator(FakeModel(answer), shelf=make_shelf(tmp_path))
    with pytest.raises(GeneratorError) as caught:
        await local.generate(_ask("fail"))
    assert str(caught.value) == (
        "The model failed (RuntimeError). If this repeats, lower CLONE_REPLY__CONTEXT_TOKENS or restart with "
        "`clone run`."
    )
    assert (await local.generate(_ask("tea?"))).bubbles == ("tea?, yes",)
    await local.close()


async def test_adapter_trained_without_a_line_on_the_contact_is_shown_none(tmp_path: Path) -> None:
    model = FakeModel(answer, ["first", "second"])
    local = LocalGenerator(
        model, shelf=make_shelf(tmp_path, first={}, second={"system_line": False}), adapter_id="first"
    )
    for adapter_id in ("first", "second", None):
        await local.activate(adapter_id)
        await local.generate(_ask("tea?", "Chat with Vera."))
    assert model.systems == ["Chat with Vera.", None, "Chat with Vera."]
    await local.close()


async def test_bare_base_has_the_default_rules(tmp_path: Path) -> None:
    local = LocalGenerator(FakeModel(answer), shelf=make_shelf(tmp_path))
    assert local.rules == DEFAULT_RULES
    await local.close()


async def test_adapter_whose_manifest_makes_no_sense_is_not_activated(tmp_path: Path) -> None:
    model = FakeModel(answer, ["first", "broken"])
    local = LocalGenerator(
        model, shelf=make_shelf(tmp_path, first={}, broken={"session_gap_h": "long"}), adapter_id="first"
    )
    with pytest.raises(AdapterError, match="The manifest of the adapter broken holds no training configuration"):
        await local.activate("broken")
    assert local.adapter_id == "first"
    await local.close()


async def test_cancelled_call_frees_the_model_before_the_next_begins(tmp_path: Path) -> None:
    model = FakeModel(answer)
    local = LocalGenerator(model, shelf=make_shelf(tmp_path))
    first = asyncio.create_task(local.generate(_ask("slow")))
    await asyncio.sleep(0.05)
    second = asyncio.create_task(local.generate(_ask("tea?")))
    first.cancel()
    assert (await second).bubbles == ("tea?, yes",)
    assert model.stopped == 1
    await local.close()
