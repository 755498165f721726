"""Fetching history while the daemon answers: one client holds the session, so the daemon does it on command."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence

from userbot.domain.errors import CloneError, ConfigError
from userbot.domain.messages import Chat
from userbot.store import Store
from userbot.store.facts import PULL, PullState
from userbot.store.thread import StoreThread
from userbot.telegram.account import TelegramAccount
from userbot.telegram.history import Progress

log = logging.getLogger(__name__)


class Pulling:
    """Fetches history in the background, one order at a time.

    Args:
        account: The open account.
        store: Where messages go, and the fact that tells how far it is.
        thread: Runs the store's calls.
    """

    def __init__(self, account: TelegramAccount, store: Store, thread: StoreThread) -> None:
        self._account = account
        self._store = store
        self._thread = thread
        self._task: asyncio.Task[None] | None = None

    def begin(self, chats: Sequence[Chat]) -> str:
        """Begin to fetch chats; return what to tell the owner.

        Raises:
            ConfigError: A pull is under way.
        """
        if self._task is not None and not self._task.done():
            raise ConfigError("A pull is under way already; `clone status` shows it. Try again when it is done.")
        self._note(PullState(running=True))
        self._task = asyncio.create_task(self._pull(chats), name="pull")
        return f"Fetching the history of {', '.join(chat.title for chat in chats)}."

    async def stop(self) -> None:
        """Stop fetching; the next pull goes on from there."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])

    async def _pull(self, chats: Sequence[Chat]) -> None:
        text = "The pull was stopped; the next one goes on from there."
        try:
            report = await self._account.pull(self._store, chats, on_progress=self._show, thread=self._thread)
            text = "\n".join([f"{report.messages} new messages from {report.chats} chats.", *report.refused])
        except CloneError as exc:
            text = str(exc)
        except Exception as exc:
            log.exception("the pull failed")
            text = (
                f"The pull failed ({type(exc).__name__}); the daemon's log says more. The next one goes on from there."
            )
        finally:
            self._note(PullState(text=text))

    def _show(self, at: Progress) -> None:
        self._note(PullState(running=True, title=at.title, fetched=at.fetched, total=at.total, waiting_s=at.waiting_s))

    def _note(self, state: PullState) -> None:
        self._thread.start(self._store.facts.set, PULL, state)


def read_pull(store: Store) -> PullState:
    """Return how far the newest pull is; not running where there was none."""
    return store.facts.get(PULL) or PullState()
