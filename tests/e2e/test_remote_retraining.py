"""Retraining with a remote engine: the new adapter is loaded into the running server, and the old one leaves it."""

from __future__ import annotations

from pathlib import Path

import pytest
from daemon_stage import DaemonStage
from fake_engine import FakeSglang, FakeVllm
from fakes_retraining import PASSED, add_adapter
from telegram_stage import wait_until

from training.events import Finished
from userbot.config.settings import GeneratorSettings
from userbot.daemon.wiring import load_generator
from userbot.loopback import LoopbackTelegram
from userbot.retraining.process import Ended, EventHandler, TrainingProcess
from userbot.store.adapters import AdapterShelf


class QuickProcess(TrainingProcess):
    """Hands in an adapter without training, and lets it pass."""

    async def train(self, parent: str | None, *, resume: bool, on_event: EventHandler) -> Ended:
        add_adapter(AdapterShelf(self._home / "adapters"), "second")
        return Ended(code=0, finished=Finished(adapter_id="second"))

    async def compare(self, candidate: str, active: str | None, *, on_event: EventHandler) -> Ended:
        return Ended(code=0, judged=PASSED)


@pytest.mark.parametrize("kind", [FakeVllm, FakeSglang])
async def test_adapter_made_by_retraining_writes_the_next_reply_on_the_running_engine(
    server: LoopbackTelegram, tmp_path: Path, kind: type[FakeVllm], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("userbot.daemon.jobs.TrainingProcess", QuickProcess)
    stage = await DaemonStage.set_up(server, tmp_path / "home")
    shelf = AdapterShelf(stage.settings.paths.adapters)
    add_adapter(shelf, "first")
    shelf.activate("first")
    async with kind(lambda asked: (f"on {asked.splitlines()[-1]}", "stop", 0.0)).running() as engine:
        remote = GeneratorSettings.model_validate({"kind": "remote", "url": engine.url})
        stage.settings = stage.settings.model_copy(update={"generator": remote})
        generator = await load_generator(stage.settings, shelf)
        async with stage.daemon(generator):
            await stage.server.send(stage.vera, stage.owner, "tea?")
            assert await stage.heard(stage.vera, 1) == ["on tea?"]
            await stage.server.send(stage.owner, stage.owner, "/clone retrain")
            await wait_until(lambda: generator.adapter_id == "second", timeout_s=20)
            await stage.server.send(stage.vera, stage.owner, "and cake?")
            assert (await stage.heard(stage.vera, 2))[-1] == "on and cake?"
            await wait_until(lambda: engine.unloads == ["first"])
        await generator.close()
    assert [load["lora_name"] for load in engine.loads] == ["first", "second"]
    with stage.open_store() as store:
        assert store.replies.newest()[0].adapter_id == "second"
