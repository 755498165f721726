"""The owner's commands on the command line: left for the daemon where one runs, carried out here where none does."""

from __future__ import annotations

import asyncio
import time

from userbot.cli.screen import Session
from userbot.daemon.command_context import CommandContext
from userbot.daemon.commands import run_command
from userbot.daemon.heartbeat import is_running
from userbot.domain.errors import CloneError
from userbot.store import Store
from userbot.store.adapters import AdapterShelf
from userbot.store.thread import StoreThread

ANSWER_S = 20.0
"""Longest wait for the daemon's answer."""

POLL_S = 0.1


def send_command(session: Session, verb: str, argument: str = "") -> str:
    """Carry out one of the owner's commands and return what it says.

    Args:
        session: Settings and store.
        verb: See `userbot.daemon.commands.HELP`.
        argument: What stands after it.

    Raises:
        CloneError: It can't be carried out, or a daemon runs but does not answer.
    """
    with session.store() as store:
        if is_running(store):
            return _ask_daemon(store, verb, argument)
        thread = StoreThread()
        try:
            context = CommandContext(store=store, thread=thread, shelf=AdapterShelf(session.settings.paths.adapters))
            return asyncio.run(run_command(verb, argument, context))
        finally:
            thread.close()


def _ask_daemon(store: Store, verb: str, argument: str) -> str:
    command_id = store.commands.leave(verb, argument)
    deadline = time.monotonic() + ANSWER_S
    while time.monotonic() < deadline:
        answer = store.commands.read_answer(command_id)
        if answer is not None and answer.failed:
            raise CloneError(answer.text)
        if answer is not None:
            return answer.text
        time.sleep(POLL_S)
    raise CloneError(f"The daemon did not answer `{verb}` within {ANSWER_S:g} s; it will do it once it is free.")
