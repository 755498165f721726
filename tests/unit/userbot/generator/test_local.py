"""The local generator: one model for all chats, on a thread of its own."""

from __future__ import annotations

import asyncio
import time
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


async def test_a_model_that_writes_several_at_once_is_asked_for_several(tmp_path: Path) -> None:
    model = FakeModel(lambda asked: (f"{asked}, yes", "stop", 0.3), concurrency=4)
    local = LocalGenerator(model, shelf=make_shelf(tmp_path))
    started = time.monotonic()
    replies = await asyncio.gather(*(local.generate(_ask(f"chat {number}")) for number in range(4)))
    assert time.monotonic() - started < 0.9
    assert [reply.bubbles for reply in replies] == [(f"chat {number}, yes",) for number in range(4)]
    await local.close()


async def test_an_exchange_waits_for_all_replies_under_way_and_later_ones_wait_for_it(tmp_path: Path) -> None:
    model = FakeModel(lambda asked: (asked, "stop", 0.1), ["first", "second"], concurrency=4)
    local = LocalGenerator(model, shelf=make_shelf(tmp_path, first={}, second={}), adapter_id="first")
    before = [asyncio.create_task(local.generate(_ask(f"chat {number}"))) for number in range(3)]
    await asyncio.sleep(0.02)
    exchange = asyncio.create_task(local.activate("second"))
    await asyncio.sleep(0.02)
    after = [asyncio.create_task(local.generate(_ask(f"chat {number}"))) for number in range(6)]
    replies = await asyncio.gather(*before, *after)
    await exchange
    assert [reply.adapter_id for reply in replies[:3]] == ["first"] * 3
    assert replies[-1].adapter_id == "second"
    assert local.adapter_id == "second"
    await local.close()


async def test_closing_releases_the_model(tmp_path: Path) -> None:
    model = FakeModel(answer)
    local = LocalGenerator(model, shelf=make_shelf(tmp_path))
    await local.close()
    assert model.closed
