"""Fakes of the running daemon and of its Telegram account, for tests of what is built on them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

from userbot.domain.messages import Chat
from userbot.store import Store
from userbot.store.thread import StoreThread
from userbot.telegram.history import Progress, PullReport


class FakeDaemon:
    """A running daemon that remembers what commands ask of it.

    `dialogs` are the account's own chats, `offline` is raised when they are asked for; `loaded` is the adapter that it
    writes with; `failure` is raised by `retrain`.
    """

    def __init__(self) -> None:
        self.reviews = 0
        self.dropped: list[int] = []
        self.deleted: list[int] = []
        self.released: list[int] = []
        self.cleared = 0
        self.dialogs: list[Chat] = []
        self.offline: Exception | None = None
        self.loaded: str | None = None
        self.pulled: list[int] = []
        self.failure: Exception | None = None

    async def review(self) -> None:
        self.reviews += 1

    async def drop(self, chat_id: int, *, reason: str) -> None:
        self.dropped.append(chat_id)

    async def release(self, chat: Chat) -> None:
        self.released.append(chat.id)

    async def clear_drafts(self) -> None:
        self.cleared += 1

    async def delete(self, chat: Chat, message_ids: list[int]) -> None:
        self.deleted += message_ids

    async def list_dialogs(self) -> Sequence[Chat]:
        if self.offline is not None:
            raise self.offline
        return self.dialogs

    async def retrain(self) -> str:
        if self.failure is not None:
            raise self.failure
        return "Training begins."

    async def cancel_training(self) -> str:
        return "The training was cancelled."

    async def pull(self, chats: Sequence[Chat]) -> str:
        self.pulled += [chat.id for chat in chats]
        return "Fetching."

    async def activate_adapter(self) -> str | None:
        return self.loaded


class FakeHistory:
    """A Telegram account that reports one page of history; `gate` holds it until it is opened, `failure` is raised."""

    def __init__(self, *, gate: asyncio.Event | None = None, failure: Exception | None = None) -> None:
        self.gate = gate
        self.failure = failure

    async def pull(
        self,
        store: Store,
        chats: Sequence[Chat],
        *,
        on_progress: Callable[[Progress], None] | None = None,
        thread: StoreThread | None = None,
    ) -> PullReport:
        for number, chat in enumerate(chats, 1):
            if on_progress is not None:
                page = Progress(
                    chat_id=chat.id, title=chat.title, chat_number=number, chats=len(chats), fetched=100, total=250
                )
                on_progress(page)
        if self.gate is not None:
            await self.gate.wait()
        if self.failure is not None:
            raise self.failure
        return PullReport(chats=len(chats), messages=250)


class FakeAccount:
    """A Telegram account with these dialogs."""

    def __init__(self, *dialogs: Chat) -> None:
        self._dialogs = list(dialogs)

    async def dialogs(self) -> list[Chat]:
        return self._dialogs
