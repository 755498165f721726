"""The real daemon against a loopback Telegram: real Telethon, real store, scripted answers."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from fakes_reply import ScriptedGenerator
from telegram_stage import PHONE, wait_until

from userbot.config.settings import GeneratorSettings, HealthSettings, ReplySettings, Settings, TelegramSettings
from userbot.daemon.run import run_daemon
from userbot.daemon.wiring import make_telegram_options
from userbot.domain.messages import Chat, ChatKind, Mode
from userbot.generator import Generator
from userbot.loopback import LoopbackTelegram, User
from userbot.store import Store
from userbot.store.facts import DAEMON, DaemonState
from userbot.telegram.login import connect_for_login

QUICK = {"quiet_s": 0.15, "burst_max_s": 2.0, "pace": 0.0, "per_chat_per_hour": 1000, "per_day": 100000}


@dataclass
class DaemonStage:
    """The server, the people, and the daemon's home folder."""

    server: LoopbackTelegram
    home: Path
    owner: User
    vera: User
    stranger: User
    settings: Settings

    @classmethod
    async def set_up(cls, server: LoopbackTelegram, home: Path, **reply: object) -> DaemonStage:
        """Create the people, log the owner in, and allow Vera."""
        settings = make_settings(home, **reply)
        _write_endpoint(server, home)
        owner = server.add_user("Owner", phone=PHONE, username="owner")
        vera = server.add_user("Vera", username="vera")
        stranger = server.add_user("Stranger", username="nobody")
        async with connect_for_login(make_telegram_options(settings)) as client:
            await server.log_in(client, owner)
        stage = cls(server, home, owner, vera, stranger, settings)
        stage.allow(vera)
        return stage

    def open_store(self) -> Store:
        """Open the daemon's database beside it."""
        return Store.open(self.settings.paths.database)

    def allow(self, user: User, mode: Mode = Mode.AUTO) -> None:
        """Put a user into the store and on the allow-list."""
        with self.open_store() as store:
            store.chats.save(
                [
                    Chat(
                        id=user.user_id,
                        kind=ChatKind.PRIVATE,
                        title=user.first_name,
                        username=user.username,
                        access_hash=user.access_hash,
                    )
                ]
            )
            store.chats.set_mode(user.user_id, mode)

    @asynccontextmanager
    async def daemon(self, generator: Generator | None = None) -> AsyncIterator[asyncio.Task[int]]:
        """Run the daemon in this process until the context ends."""
        ready, stop = asyncio.Event(), asyncio.Event()
        run = run_daemon(
            self.settings,
            generator=generator or ScriptedGenerator(),
            ready=ready,
            stop=stop,
            reconcile_every_s=1.0,
        )
        task = asyncio.create_task(run)
        waiting = asyncio.create_task(ready.wait())
        await asyncio.wait({task, waiting}, return_when=asyncio.FIRST_COMPLETED, timeout=20)
        waiting.cancel()
        try:
            if not ready.is_set():
                await task
                raise AssertionError("the daemon ended before it was ready")
            yield task
        finally:
            stop.set()
            if not task.done():
                await asyncio.wait_for(task, 15)

    async def heard(self, user: User, count: int, *, timeout_s: float = 10.0) -> list[str]:
        """Wait until a user has got `count` messages of the owner's account, and return them."""
        await wait_until(lambda: len(self.replies(user)) >= count, timeout_s=timeout_s)
        return self.replies(user)

    def replies(self, user: User) -> list[str]:
        """Return what a user has got from the owner's account."""
        return [message.text for message in self.server.conversation(user, self.owner) if not message.out]

    def notes(self) -> list[str]:
        """Return what stands in the owner's Saved Messages."""
        return [message.text for message in self.server.conversation(self.owner, self.owner)]


def _write_endpoint(server: LoopbackTelegram, home: Path) -> None:
    home.mkdir(parents=True, exist_ok=True)
    (home / "endpoint.json").write_text(server.endpoint.to_json())


def make_settings(home: Path, **reply: object) -> Settings:
    """Return settings of a quick daemon in a folder."""
    return Settings(  # type: ignore[call-arg]  # every field has a default
        home=home,
        telegram=TelegramSettings(api_id=1, api_hash="hash", endpoint_file=home / "endpoint.json"),  # type: ignore[call-arg,arg-type]  # defaults; pydantic makes it a secret
        reply=ReplySettings(**{**QUICK, **reply}),  # type: ignore[arg-type]  # a test's shorthand
        generator=GeneratorSettings(),  # type: ignore[call-arg]  # every field has a default
        health=HealthSettings(),  # type: ignore[call-arg]  # every field has a default
    )


async def start_process(home: Path, **environment: str) -> asyncio.subprocess.Process:
    """Start a daemon with scripted answers as a process of its own, and wait until it is ready."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        str(Path(__file__).with_name("daemon_process.py")),
        str(home),
        stdout=asyncio.subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), **environment},
    )
    assert process.stdout is not None
    line = await asyncio.wait_for(process.stdout.readline(), 30)
    if line.strip() != b"ready":
        await process.wait()
        raise AssertionError(f"the daemon ended with code {process.returncode}")
    return process


async def end_process(process: asyncio.subprocess.Process, number: signal.Signals = signal.SIGTERM) -> int:
    """Send a signal to a daemon and return its exit code."""
    if process.returncode is None:
        process.send_signal(number)
    code = await asyncio.wait_for(process.wait(), 20)
    # The transport of a finished process is closed here, or its destructor would warn.
    process._transport.close()  # type: ignore[attr-defined]  # asyncio offers no public way
    return code


def read_daemon_state(store: Store) -> DaemonState:
    """Return what the daemon wrote last."""
    state = store.facts.get(DAEMON)
    assert state is not None
    return state
