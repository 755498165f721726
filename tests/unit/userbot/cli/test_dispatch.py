"""The owner's commands are carried out here where no daemon runs, and left for it where one does."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Thread

import pytest

from userbot.cli import dispatch
from userbot.cli.dispatch import send_command
from userbot.cli.screen import Session
from userbot.daemon.heartbeat import write_state
from userbot.domain.errors import CloneError, ConfigError
from userbot.store import Store
from userbot.store.commands import Command


@contextmanager
def _daemon(home: Path, answer: Callable[[Store, Command], None]) -> Iterator[None]:
    """Answer the commands in the store from a thread, as the daemon does."""
    with Store.open(home / "clone.db") as store:
        write_state(store, "connected", since=store.clock())
        stopped = False

        def serve() -> None:
            while not stopped:
                for command in store.commands.waiting():
                    answer(store, command)
                time.sleep(0.02)

        thread = Thread(target=serve)
        thread.start()
        try:
            yield
        finally:
            stopped = True
            thread.join()


def test_command_is_carried_out_here_without_a_daemon(home: Path) -> None:
    assert send_command(Session(home), "pause") == "Paused until you resume: nothing is answered."
    with pytest.raises(ConfigError, match="There is no command 'dance'"):
        send_command(Session(home), "dance")


def test_command_is_left_for_the_daemon_that_runs(home: Path) -> None:
    def echo(store: Store, command: Command) -> None:
        store.commands.answer(command.id, f"{command.verb} {command.argument}: done")

    with _daemon(home, echo):
        assert send_command(Session(home), "pause", "2h") == "pause 2h: done"


def test_failure_of_the_daemon_is_an_error_here(home: Path) -> None:
    def fail(store: Store, command: Command) -> None:
        store.commands.answer(command.id, "No chat fits 'Boris'.", failed=True)

    with _daemon(home, fail), pytest.raises(CloneError, match="No chat fits 'Boris'"):
        send_command(Session(home), "off", "Boris")


def test_silence_of_the_daemon_is_an_error_after_a_while(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dispatch, "ANSWER_S", 0.2)
    with _daemon(home, lambda store, command: None), pytest.raises(CloneError) as caught:
        send_command(Session(home), "status")
    assert str(caught.value) == "The daemon did not answer `status` within 0.2 s; it will do it once it is free."
