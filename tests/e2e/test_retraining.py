"""The whole circle on a loopback Telegram, with the embedded base: talk, retrain on schedule, gate, rollback."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from daemon_stage import DaemonStage
from telegram_stage import wait_until
from timing import clocked_datetime

from training.events import Finished
from userbot.config.settings import ScheduleSettings
from userbot.daemon.schedule import read_next_runs
from userbot.daemon.wiring import load_generator
from userbot.domain.messages import Message, Origin
from userbot.loopback import LoopbackTelegram
from userbot.retraining.process import Ended, EventHandler, TrainingProcess
from userbot.store import Store
from userbot.store.adapters import AdapterShelf, Manifest, new_id
from userbot.store.facts import RETRAIN_SEEN_AT, TRAINING, TrainingState

pytestmark = [pytest.mark.slow, pytest.mark.timeout(240)]

# A few updates on the embedded base: enough to foresee this owner better than the base does. The style of two short
# replies says little, so the gate judges by the loss alone.
TRAINING_ENV = """
CLONE_BASE=tiny
CLONE_TRAIN__MAX_STEPS=4
CLONE_TRAIN__BATCH_TOKENS=256
CLONE_TRAIN__WARMUP_STEPS=1
CLONE_TRAIN__LEARNING_RATE=2e-3
CLONE_TRAIN__LOAD_IN_4BIT=false
CLONE_TRAIN__COMPUTE_DTYPE=float32
CLONE_TRAIN__DATA__MIN_TURNS=20
CLONE_TRAIN__DATA__CHAT_SHARE=1.0
CLONE_TRAIN__GATE__PROMPTS=2
CLONE_TRAIN__GATE__MAX_NEW_TOKENS=6
CLONE_TRAIN__GATE__LIKENESS_MARGIN=1.0
CLONE_TRAIN__GATE__RATE_MARGIN=1.0
"""


class JumpingClock:
    """The real time, put forward by leaps."""

    def __init__(self) -> None:
        self.ahead = timedelta()

    def __call__(self) -> datetime:
        return datetime.now(UTC) + self.ahead

    def jump_to(self, hour: int) -> None:
        """Go to just before the next time that the clock shows an hour, UTC."""
        now = self()
        then = now.replace(hour=hour, minute=0, second=0, microsecond=0) - timedelta(seconds=0.2)
        self.ahead += then + timedelta(days=1 if then <= now else 0) - now


class DamagingProcess(TrainingProcess):
    """Trains in earnest, or hands in a damaged copy of the newest adapter."""

    damages = False

    async def train(self, parent: str | None, *, resume: bool, on_event: EventHandler) -> Ended:
        if not self.damages:
            return await super().train(parent, resume=resume, on_event=on_event)
        return Ended(code=0, finished=Finished(adapter_id=await asyncio.to_thread(self.damage_copy)))

    def damage_copy(self) -> str:
        from safetensors.torch import load_file, save_file

        shelf = AdapterShelf(self._home / "adapters")
        good = shelf.all()[-1]
        manifest = replace(good, id=new_id(datetime.now(UTC)))
        with shelf.write(manifest) as folder:
            source, name = shelf.path(good.id), "adapter_model.safetensors"
            shutil.copy(source / "adapter_config.json", folder)
            save_file({key: 40 * value.flip(0) for key, value in load_file(source / name).items()}, folder / name)
        return manifest.id


class Circle:
    """A daemon with an adapter that has learned nothing yet, and a friend with a history."""

    def __init__(self, stage: DaemonStage) -> None:
        self.stage = stage
        self.home = stage.home
        self.shelf = AdapterShelf(stage.settings.paths.adapters)

    def store_history(self, days: int) -> None:
        """Store a conversation a day, agreed to be learned from."""
        start = datetime.now(UTC) - timedelta(days=days + 1)
        with self.stage.open_store() as store:
            store.consents.give(self.stage.vera.user_id, by="Vera, in this test")
            for day in range(days):
                lines = (f"привет, что в {day}?", f"даров)) сижу дома {day}", "гулять?", f"го в {day % 12 + 8})))")
                store.messages.add(
                    Message(
                        chat_id=self.stage.vera.user_id,
                        id=-1000 + day * 10 + index,
                        origin=Origin.OWNER if index % 2 else Origin.CONTACT,
                        sent_at=start + timedelta(days=day, minutes=index),
                        text=text,
                    )
                    for index, text in enumerate(lines)
                )

    def put_blank_adapter(self) -> str:
        """Activate an adapter that has not been trained: it writes as the base does."""
        from training.config import make_config
        from training.loop.session import name_base
        from training.model.base import load_base, resolve_base
        from training.model.lora import attach_lora

        base = resolve_base("tiny", models_dir=self.stage.settings.paths.models)
        import torch

        model, _ = load_base(base, quantised=False, compute_dtype=torch.float32, device="cpu")
        model, _ = attach_lora(model, make_config().lora, seed=1)
        now = datetime.now(UTC)
        manifest = Manifest(id=new_id(now), base="tiny", created_at=now.isoformat())
        with self.shelf.write(manifest) as folder:
            model.save_pretrained(folder)
            name_base(folder, "tiny")
        self.shelf.activate(manifest.id)
        return manifest.id

    @asynccontextmanager
    async def daemon(self) -> AsyncIterator[None]:
        """Run the daemon with the embedded base and the active adapter."""
        generator = await load_generator(self.stage.settings, self.shelf)
        try:
            async with self.stage.daemon(generator):
                yield
        finally:
            await generator.close()

    async def wait_for(self, state: str, *, key: str = "state") -> TrainingState:
        """Wait until the training has come to a state, and tells a value; return all that is known of it."""
        found = TrainingState(state="none")

        def read() -> bool:
            nonlocal found
            found = store.facts.get(TRAINING) or found
            return found.state == state and getattr(found, key) is not None

        with self.stage.open_store() as store:
            try:
                async with asyncio.timeout(100):
                    while not read():  # noqa: ASYNC110  # another process works; no event tells of it
                        await asyncio.sleep(0.2)
            except TimeoutError:
                raise AssertionError(f"training did not come to {state!r}; what is known of it: {found}") from None
        return found

    async def ask(self, text: str) -> str | None:
        """Let Vera write, wait for an answer, and return the id of the adapter that wrote it."""
        before = len(self.stage.replies(self.stage.vera))
        await self.stage.server.send(self.stage.vera, self.stage.owner, text)
        await self.stage.heard(self.stage.vera, before + 1, timeout_s=60)
        with self.stage.open_store() as store:
            return store.replies.newest()[0].adapter_id

    async def saved(self, text: str) -> str:
        """Wait for a message in Saved Messages that contains a text, and return it."""
        owner = self.stage.owner

        def read() -> list[str]:
            shown = self.stage.server.conversation(owner, owner)
            return [message.text for message in shown if text in message.text]

        await wait_until(read, timeout_s=20)
        return read()[-1]


@pytest.fixture
async def circle(tmp_path: Path) -> AsyncIterator[Circle]:
    async with LoopbackTelegram() as server:
        stage = await DaemonStage.set_up(server, tmp_path / "home", takeover_s=0.0, max_new_tokens=12)
        made = Circle(stage)
        made.store_history(30)
        (stage.home / ".env").write_text(TRAINING_ENV)
        stage.settings.base = "tiny"
        stage.settings.generator.load_in_4bit = False
        stage.settings.schedule = ScheduleSettings(  # type: ignore[call-arg]  # the others have defaults
            retrain_cron="0 3 * * *", retrain_turns=33, check_s=0.5, nice=0
        )
        yield made


async def test_the_whole_circle(circle: Circle, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = JumpingClock()
    monkeypatch.setattr("userbot.daemon.jobs.TrainingProcess", DamagingProcess)
    monkeypatch.setattr(DamagingProcess, "damages", False)
    for module in ("apscheduler.schedulers.base", "apscheduler.triggers.interval"):
        monkeypatch.setattr(f"{module}.datetime", clocked_datetime(clock))
    first, stage = circle.put_blank_adapter(), circle.stage
    with stage.open_store() as store:
        _forget_old_turns(store)
    async with circle.daemon():
        # Enough new turns of the owner's start a training; it is killed, and nothing has happened.
        for number in range(33):
            await stage.server.send(stage.vera, stage.owner, f"вопрос {number}")
            await stage.server.send(stage.owner, stage.vera, f"ответ {number}))")
        running = await circle.wait_for("training", key="pid")
        assert running.reason == "33 new turns of yours"
        assert running.pid is not None
        os.kill(running.pid, signal.SIGKILL)
        failed = await circle.wait_for("failed")
        assert failed.text == "the process ended with code -9"
        assert await circle.saved("Training failed, the active adapter stays: the process ended with code -9")
        assert [manifest.id for manifest in circle.shelf.all()] == [first]
        assert await circle.ask("ты тут?") == first

        # At three, the schedule fires. The candidate foresees the owner better, and takes over.
        assert {run.name for run in read_next_runs(circle.home / "schedule.db")} >= {"check", "retrain", "back up"}
        clock.jump_to(3)
        promoted = await circle.wait_for("promoted")
        second = str(promoted.adapter_id)
        assert circle.shelf.active() == circle.shelf.get(second)
        assert await circle.ask("гулять?") == second
        assert f"Adapter {second} is now active. Passed:" in await circle.saved("is now active")
        [picture] = stage.owner.uploads.values()
        assert picture[0].startswith(b"\x89PNG")
        assert promoted.report == str(circle.home / "reports" / second / "report.html")

        # A day later, the candidate is damaged. It is kept out, with the reason.
        DamagingProcess.damages = True
        clock.jump_to(3)
        refused = await circle.wait_for("refused")
        assert "bits per held-out character against" in str(refused.text)
        assert circle.shelf.get(str(refused.adapter_id)).id not in (first, second)
        assert await circle.ask("а завтра?") == second

        # The owner goes back.
        await stage.server.send(stage.owner, stage.owner, "/clone rollback")
        assert await circle.saved("is active again") == f"[clone] {first} is active again."
        assert await circle.ask("точно?") == first


def _forget_old_turns(store: Store) -> None:
    """Take the history as known to the last training."""
    store.facts.set(RETRAIN_SEEN_AT, datetime.now(UTC))
