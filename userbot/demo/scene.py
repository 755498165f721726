"""The last part of the demo: a loopback Telegram, the real daemon in its own process, a friend and a stranger."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

from rich.markup import escape

from userbot.config.home import HomePaths
from userbot.config.settings import Settings
from userbot.daemon.daemon import READY
from userbot.daemon.wiring import make_telegram_options
from userbot.demo.export import FRIEND_BURST, FRIEND_ID, FRIEND_NAME, OWNER_ID, OWNER_NAME, STRANGER_NAME
from userbot.domain.errors import CloneError
from userbot.loopback import LoopbackTelegram, User
from userbot.telegram.login import connect_for_login, login

PHONE = "+10000000001"
ENDPOINT = "loopback.json"
LOG = "daemon.log"
STRANGER_WRITES = "Здравствуйте! Перейдите по ссылке и получите приз"
FRIEND_WROTE = "Ладно, до завтра!"
OWNER_WROTE = "давай)))"
FRIEND_WRITES_AGAIN = "А кот как поживает?"
START_S = 90.0
"""Longest wait for the daemon to be ready."""

ANSWER_S = 90.0
"""Longest wait for an answer."""

SETTLE_S = 4.0
"""Silence after which an answer counts as complete."""

INTERACTIVE_S = 86_400.0
POLL_S = 0.2

_SETTINGS = f"""# Settings of the demo: a local Telegram, and answers faster than a real clone should give.
CLONE_BASE=tiny
CLONE_TELEGRAM__API_ID=1
CLONE_TELEGRAM__API_HASH=demo
CLONE_TELEGRAM__ENDPOINT_FILE={ENDPOINT}
CLONE_REPLY__QUIET_S=2
CLONE_REPLY__PACE=0.25
CLONE_REPLY__MAX_NEW_TOKENS=48
CLONE_REPLY__TEMPERATURE=0.5
"""


class DemoError(CloneError):
    """The demo did not show what it promises."""


def write_settings(home: Path) -> None:
    """Write the demo's `.env`, with relative paths: its commands run inside `home`."""
    path = HomePaths(home).env_file
    path.touch(mode=0o600)
    path.write_text(_SETTINGS.replace(f"={ENDPOINT}", f"={home / ENDPOINT}"), "utf-8")


class Scene:
    """The people of the demo on their local Telegram.

    Args:
        settings: Of the demo's home folder, which holds a trained adapter and a friend on the allow-list.
        show: Prints a line with rich markup.
        command: Starts the daemon; `clone run` on the home folder unless given.
        settle_s: Silence after which an answer counts as complete.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        show: Callable[[str], None],
        command: Sequence[str] | None = None,
        settle_s: float = SETTLE_S,
    ) -> None:
        self._settings = settings
        self._show = show
        self._command = command or (
            sys.executable, "-P", "-m", "userbot", "--home", str(settings.home), "run",
        )  # fmt: skip
        self._settle_s = settle_s
        self._server = LoopbackTelegram()
        first, last = OWNER_NAME.split()
        self._owner = self._server.add_user(first, last_name=last, phone=PHONE, user_id=OWNER_ID)
        first, last = FRIEND_NAME.split()
        self._friend = self._server.add_user(first, last_name=last, user_id=FRIEND_ID)
        self._stranger = self._server.add_user(STRANGER_NAME)
        # Live messages are newer than those of the export, so their ids are greater.
        self._owner.box.last_id = 1_000_000
        self._seen = 0

    async def play(self, *, interactive: bool) -> None:
        """Log the daemon in, let people write, show the conversation, and check who was answered.

        Args:
            interactive: The friend's messages come from the keyboard instead of the script.

        Raises:
            DemoError: The friend was not answered, or the stranger was.
        """
        async with self._server:
            (self._settings.home / ENDPOINT).write_text(self._server.endpoint.to_json(), "utf-8")
            await self._remember_yesterday()
            await self._log_in()
            async with self._daemon():
                await self._stranger_writes()
                if interactive:
                    await self._converse()
                else:
                    await self._exchange(FRIEND_BURST)
                    await self._exchange((FRIEND_WRITES_AGAIN,))
            self._check()

    async def _remember_yesterday(self) -> None:
        """Give the friend a history on the server, as in a real account; it is too old to be answered."""
        yesterday = datetime.now(UTC) - timedelta(days=1)
        await self._server.send(self._friend, self._owner, FRIEND_WROTE, date=yesterday)
        await self._server.send(self._owner, self._friend, OWNER_WROTE, date=yesterday)
        self._seen = len(self._server.conversation(self._friend, self._owner))

    async def _log_in(self) -> None:
        async def phone() -> str:
            return PHONE

        async def code() -> str:
            return self._server.login_code

        async with connect_for_login(make_telegram_options(self._settings)) as client:
            account = await login(client, ask_phone=phone, ask_code=code, ask_password=code, show=self._show)
        self._show(f"Logged in as {account.name}: phone, code, and a session file that only you can read.")

    @asynccontextmanager
    async def _daemon(self) -> AsyncIterator[None]:
        home = self._settings.home
        with (home / LOG).open("wb") as log:
            process = await asyncio.create_subprocess_exec(*self._command, stdout=log, stderr=log, cwd=home)
            try:
                await self._wait_until_ready(process)
                yield
                process.send_signal(signal.SIGTERM)
                code = await asyncio.wait_for(process.wait(), 15)
                if code != 0:
                    raise DemoError(f"The daemon ended with exit code {code}. Its log: {home / LOG}")
            finally:
                if process.returncode is None:
                    process.kill()
                    await process.wait()

    async def _wait_until_ready(self, process: asyncio.subprocess.Process) -> None:
        log = self._settings.home / LOG
        for _ in range(round(START_S / POLL_S)):
            if process.returncode is not None:
                raise DemoError(f"The daemon did not start (exit code {process.returncode}). Its log: {log}")
            if READY.encode() in await asyncio.to_thread(log.read_bytes):
                self._show("The daemon is connected. Only the friend's chat is allowed.\n")
                return
            await asyncio.sleep(POLL_S)
        raise DemoError(f"The daemon was not ready within {START_S:g} s. Its log: {log}")

    async def _stranger_writes(self) -> None:
        await self._server.send(self._stranger, self._owner, STRANGER_WRITES)
        self._show(f"[b]{escape(STRANGER_NAME)}[/] (a stranger): {escape(STRANGER_WRITES)}")

    async def _exchange(self, bubbles: tuple[str, ...]) -> None:
        before = self._answers()
        for bubble in bubbles:
            await self._server.typing(self._friend, self._owner)
            await asyncio.sleep(0.4)
            await self._server.send(self._friend, self._owner, bubble)
            self._print_new()
        try:
            await self._server.wait_for(partial(self._has_more_than, before), timeout_s=ANSWER_S)
        except TimeoutError:
            raise DemoError(
                f"{FRIEND_NAME} got no answer within {ANSWER_S:g} s. Why: clone --home {self._settings.home} why"
            ) from None
        await self._settle()

    async def _settle(self) -> None:
        """Show further bubbles until none has come for a while."""
        while True:
            count = self._answers()
            self._print_new()
            try:
                await self._server.wait_for(partial(self._has_more_than, count), timeout_s=self._settle_s)
            except TimeoutError:
                return

    async def _converse(self) -> None:
        self._show(f"You are {escape(FRIEND_NAME)}, writing to {escape(OWNER_NAME)}. An empty line or Ctrl-D ends.")
        printing = asyncio.create_task(self._print_answers())
        try:
            while line := (await asyncio.to_thread(_read_line)).strip():
                self._print_new()
                self._seen += 1  # what you typed is on the screen already
                await self._server.send(self._friend, self._owner, line)
            if self._wrote_last(self._friend):
                self._show("(waiting for the answer)")
                with suppress(TimeoutError):
                    await self._server.wait_for(partial(self._wrote_last, self._owner), timeout_s=ANSWER_S)
        finally:
            printing.cancel()
        await self._settle()

    def _wrote_last(self, person: User) -> bool:
        return self._server.conversation(self._friend, self._owner)[-1].sender is person

    async def _print_answers(self) -> None:
        while True:
            count = self._answers()
            await self._server.wait_for(partial(self._has_more_than, count), timeout_s=INTERACTIVE_S)
            self._print_new()

    def _has_more_than(self, count: int) -> bool:
        return self._answers() > count

    def _answers(self) -> int:
        return sum(message.sender is self._owner for message in self._server.conversation(self._friend, self._owner))

    def _print_new(self) -> None:
        conversation = self._server.conversation(self._friend, self._owner)
        for message in conversation[self._seen :]:
            self._show(self._line(message.sender, message.text))
        self._seen = len(conversation)

    def _line(self, sender: User, text: str) -> str:
        if sender is self._owner:
            return f"[b green]{escape(OWNER_NAME)}[/] (the clone): {escape(text)}"
        return f"[b]{escape(FRIEND_NAME)}[/]: {escape(text)}"

    def _check(self) -> None:
        conversation = self._server.conversation(self._stranger, self._owner)
        unread = self._server.unread(self._owner, self._stranger)
        if any(message.sender is self._owner for message in conversation) or unread != len(conversation):
            raise DemoError("The stranger was answered, or their message was marked as read: neither may ever happen.")
        answered = "was answered" if self._answers() > 1 else "got no answer"  # one is of yesterday
        self._show(f"\n{FRIEND_NAME} {answered}. {STRANGER_NAME} got nothing, not even a read mark.")


def _read_line() -> str:
    try:
        return input()
    except EOFError:
        return os.linesep
