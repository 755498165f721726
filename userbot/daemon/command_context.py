"""What the owner's commands work on: the store, the adapters, and the running daemon where there is one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from userbot.domain.errors import ChatNotFoundError
from userbot.domain.messages import Chat
from userbot.store import Store
from userbot.store.adapters import AdapterShelf
from userbot.store.decisions import Decision
from userbot.store.thread import StoreThread

PREFIX = "/clone"
"""First word of a command in Saved Messages."""


class RunningDaemon(Protocol):
    """What commands ask of the running daemon. Its fake is `daemon_fakes.FakeDaemon` of the tests."""

    async def review(self) -> None:
        """Decide again on bursts that wait for an answer."""
        ...

    async def drop(self, chat_id: int, *, reason: str) -> None:
        """Stop the answer that is being prepared or sent in a chat."""
        ...

    async def delete(self, chat: Chat, message_ids: list[int]) -> None:
        """Delete messages for both sides."""
        ...

    async def find_dialog(self, name: str) -> Chat | None:
        """Find a chat by name among the account's own, and store it; None unless exactly one matches."""
        ...

    async def retrain(self) -> str:
        """Start a training; return what to tell the owner."""
        ...

    async def cancel_training(self) -> str:
        """Stop the training in progress; return what to tell the owner."""
        ...

    async def pull(self, chats: Sequence[Chat]) -> str:
        """Start to fetch the history of chats; return what to tell the owner."""
        ...

    async def activate_adapter(self) -> str | None:
        """Load the adapter that is active now; return the id of the one that writes afterwards."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class CommandContext:
    """What commands work on.

    Args:
        store: Chats, decisions, pauses.
        thread: Runs the store's calls.
        shelf: Adapters.
        daemon: The running daemon; None where there is none, so that some commands refuse.
        quoted: Decision that the command refers to, where it answers a forwarded reply.
    """

    store: Store
    thread: StoreThread
    shelf: AdapterShelf
    daemon: RunningDaemon | None = None
    quoted: Decision | None = None

    async def find_chat(self, name: str) -> Chat:
        """Find a chat by its id, username or whole title, in the store and then among the account's dialogs.

        Raises:
            ChatNotFoundError: No chat matches, or several do.
        """
        try:
            return await self.thread.run(self.store.chats.find, name, whole=True)
        except ChatNotFoundError:
            dialog = await self.daemon.find_dialog(name) if self.daemon is not None else None
            if dialog is None:
                raise
            return dialog

    async def drop_answer(self, chat: Chat, *, reason: str) -> None:
        """Stop the answer of a chat that is not sent yet, in the running daemon or in the store."""
        if self.daemon is not None:
            await self.daemon.drop(chat.id, reason=reason)
            return
        for item in await self.thread.run(self.store.replies.pending, chat.id):
            await self.thread.run(self.store.replies.cancel, item.reply_id, reason=reason)

    async def review(self) -> None:
        """Let the running daemon, where there is one, decide again on bursts that wait for an answer."""
        if self.daemon is not None:
            await self.daemon.review()
