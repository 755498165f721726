"""Fetching history while the daemon answers: the session allows one client, so the daemon itself does it."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from typing import Protocol

from userbot.domain.errors import CloneError, ConfigError
from userbot.domain.messages import Chat
from userbot.domain.plural import format_count
from userbot.store import Store
from userbot.store.chat_names import describe_chat
from userbot.store.facts import PULL, PullState
from userbot.store.thread import StoreThread
from userbot.telegram.history import Progress, PullReport

log = logging.getLogger(__name__)


class HistorySource(Protocol):
    """Where history comes from; `TelegramAccount` is one."""

    async def pull(
        self,
        store: Store,
        chats: Sequence[Chat],
        *,
        on_progress: Callable[[Progress], None] | None = None,
        thread: StoreThread | None = None,
    ) -> PullReport:
        """Fetch the history of chats into the store.

        Raises:
            TelegramError: Telegram refused it.
        """
        ...


class BackgroundPull:
    """Fetches history in the background, one pull at a time.

    Args:
        account: Where history comes from.
        store: Where messages go, and the fact that shows the progress.
        thread: Runs the store's calls.
    """

    def __init__(self, account: HistorySource, store: Store, thread: StoreThread) -> None:
        self._account = account
        self._store = store
        self._thread = thread
        self._task: asyncio.Task[None] | None = None

    def start(self, chats: Sequence[Chat]) -> str:
        """Start to fetch the history of chats; return what to tell the owner.

        Raises:
            ConfigError: A pull is in progress.
        """
        if self._task is not None and not self._task.done():
            raise ConfigError("A pull is in progress already. Try again when it is done.")
        self._note(PullState(running=True))
        self._task = asyncio.create_task(self._pull(chats), name="pull")
        return f"Fetching the history of {', '.join(describe_chat(chat) for chat in chats)}."

    async def stop(self) -> None:
        """Stop fetching; the next pull continues from there."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])

    async def _pull(self, chats: Sequence[Chat]) -> None:
        text = "The pull was stopped; the next one continues from there."
        try:
            report = await self._account.pull(self._store, chats, on_progress=self._show, thread=self._thread)
            new = f"{format_count(report.messages, 'new message')} from {format_count(report.chats, 'chat')}."
            text = "\n".join([new, *report.refused])
        except CloneError as exc:
            text = str(exc)
        except Exception as exc:
            log.exception("the pull failed")
            text = f"The pull failed ({type(exc).__name__}); the daemon's log says more. The next one continues there."
        finally:
            self._note(PullState(text=text))

    def _show(self, progress: Progress) -> None:
        state = PullState(
            running=True,
            title=progress.title,
            fetched=progress.fetched,
            total=progress.total,
            waiting_s=progress.waiting_s,
        )
        self._note(state)

    def _note(self, state: PullState) -> None:
        self._thread.start(self._store.facts.set, PULL, state)


def read_pull(store: Store) -> PullState:
    """Return the progress of the newest pull; not running where there was none."""
    return store.facts.get(PULL) or PullState()
