"""A whole life of the daemon, with all going wrong: its log, metrics and health page hold nothing private."""

from __future__ import annotations

import asyncio
import io
import logging
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
from daemon_stage import DaemonStage
from fakes_reply import ScriptedGenerator
from sqlalchemy import text
from telegram_stage import PHONE, wait_until

from userbot.daemon.logs import set_up_logging
from userbot.domain.errors import GeneratorError
from userbot.domain.messages import Reply
from userbot.loopback import LoopbackTelegram

SAID, ANSWERED, CORRECTED = "qwzxsaid", "qwzxanswered", "qwzxcorrected"
NAME, USERNAME, CONTACT_PHONE = "Qwzxname", "qwzxusername", "+79990001122"
API_HASH, API_KEY = "qwzxhash", "qwzxkey"
PRIVATE = ("qwzx", PHONE.removeprefix("+"), CONTACT_PHONE.removeprefix("+"))


@pytest.fixture(params=["human", "json"])
def log(request: pytest.FixtureRequest) -> Iterator[io.StringIO]:
    """All that the daemon logs, at its most talkative."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    stream = io.StringIO()
    set_up_logging(request.param, "debug", stream=stream)
    yield stream
    root.handlers[:], root.level = handlers, level


@pytest.fixture
async def stage(server: LoopbackTelegram, tmp_path: Path) -> DaemonStage:
    stage = await DaemonStage.set_up(server, tmp_path / "home", stale_s=60.0)
    stage.vera.first_name, stage.vera.username, stage.vera.phone = NAME, USERNAME, CONTACT_PHONE
    stage.allow(stage.vera)
    settings = stage.settings
    stage.settings = settings.model_copy(
        update={
            "health": settings.health.model_copy(update={"port": 0}),
            "generator": settings.generator.model_copy(update={"api_key": API_KEY}),
            "telegram": settings.telegram.model_copy(update={"api_hash": _Secret(API_HASH)}),
        }
    )
    return stage


class _Secret(str):
    """A hash that the settings would keep in a SecretStr."""

    __slots__ = ()

    def get_secret_value(self) -> str:
        return str(self)


class QuotingGenerator(ScriptedGenerator):
    """Fails at times, and quotes the prompt in the error, as libraries do."""

    def __init__(self) -> None:
        super().__init__()
        self.failures: list[type[Exception]] = [GeneratorError, ValueError]

    async def generate(self, prompt: object) -> Reply:
        if self.failures:
            kind = self.failures.pop(0)
            raise kind("The model failed." if kind is GeneratorError else f"bad input {prompt}")
        await super().generate(prompt)  # type: ignore[arg-type]  # a test's shorthand
        return Reply(bubbles=(ANSWERED, f"{ANSWERED} too"), adapter_id="a1")


async def test_log_metrics_and_health_of_a_whole_life_hold_no_words_names_phones_or_tokens(
    stage: DaemonStage, log: io.StringIO
) -> None:
    generator, server = QuotingGenerator(), stage.server
    pages: list[str] = []
    async with stage.daemon(generator):
        port = await _find_port(log)
        first = await server.send(stage.vera, stage.owner, f"{SAID} call {CONTACT_PHONE}")
        await server.edit(stage.vera, stage.owner, first.id, text=f"{CORRECTED} call {CONTACT_PHONE}")
        await wait_until(lambda: "held, The model failed" in log.getvalue(), timeout_s=20)
        await server.send(stage.vera, stage.owner, f"{SAID} again")
        await wait_until(lambda: "ValueError" in log.getvalue(), timeout_s=20)
        await server.send(stage.vera, stage.owner, f"{SAID} once more")
        await stage.heard(stage.vera, 2, timeout_s=20)
        for command in (
            f"resume {NAME}",
            f"pull @{USERNAME}",
            f"draft {SAID}",
            f"qwzx {NAME}",
            "why",
            "undo",
            "status",
        ):
            await server.send(stage.owner, stage.owner, f"/clone {command}")
        await wait_until(lambda: len(server.conversation(stage.owner, stage.owner)) >= 14, timeout_s=20)
        with stage.open_store() as store:
            with store.engine.begin() as connection:
                connection.execute(
                    text("CREATE TRIGGER full BEFORE INSERT ON messages BEGIN SELECT RAISE(ABORT, 'x'); END")
                )
            await server.send(stage.vera, stage.owner, f"{SAID} into a full disk")
            await wait_until(lambda: "IntegrityError" in log.getvalue(), timeout_s=20)
            with store.engine.begin() as connection:
                connection.execute(text("DROP TRIGGER full"))
        await asyncio.sleep(0.5)
        pages = [await asyncio.to_thread(_fetch, port, page) for page in ("metrics", "health")]
    written = log.getvalue() + "".join(pages)
    assert "clone_" in pages[0] and len(log.getvalue().splitlines()) > 12
    assert [word for word in PRIVATE if word in written.casefold()] == []


async def _find_port(log: io.StringIO) -> int:
    mark = "http://127.0.0.1:"
    await wait_until(lambda: mark in log.getvalue())
    return int(log.getvalue().split(mark)[1].split("/")[0])


def _fetch(port: int, page: str) -> str:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/{page}", timeout=10) as answer:  # loopback
        return str(answer.read().decode())
