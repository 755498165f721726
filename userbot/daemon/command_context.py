"""What the owner's commands work on: the store, the adapters, and the running daemon where there is one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from userbot.config.home import HomePaths
from userbot.domain.errors import ChatNotFoundError, TelegramError
from userbot.domain.messages import Chat
from userbot.domain.names import read_id
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

    async def release(self, chat: Chat) -> None:
        """Let go of a chat that is to be forgotten: stop its answer, and clear the clone's draft at Telegram.

        A draft that can't be cleared now is cleared later, from the journal of forgetting.
        """
        ...

    async def clear_drafts(self) -> None:
        """Clear the drafts of forgotten chats that are still at Telegram."""
        ...

    async def delete(self, chat: Chat, message_ids: list[int]) -> None:
        """Delete messages for both sides."""
        ...

    async def list_dialogs(self) -> Sequence[Chat]:
        """Return the account's own chats.

        Raises:
            TelegramError: Telegram can't be asked.
        """
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

    @property
    def paths(self) -> HomePaths:
        """Return the paths of the home folder, in which the adapters are."""
        return HomePaths(self.shelf.folder.parent)

    async def find_chat(self, name: str) -> Chat:
        """Find the chat that a name means, in the store and among the account's dialogs at once.

        Both are always looked at, except for the id of a stored chat: another chat may bear the same name by now.

        Args:
            name: An id, a username or a whole title; see `userbot.store.chat_names`.

        Returns:
            The chat, stored.

        Raises:
            ChatNotFoundError: No chat is meant, or more than one could be, or Telegram can't be asked about a name.
        """
        number = read_id(name)
        chat = await self.thread.run(self.store.chats.get, number) if number is not None else None
        if chat is not None:
            return chat
        dialogs = await self._ask_for_dialogs(name)
        await self.thread.run(self.store.chats.refresh, dialogs)
        chat = await self.thread.run(self.store.chats.find, name, dialogs=dialogs)
        known = await self.thread.run(self.store.chats.get, chat.id)
        if known is None:
            await self.thread.run(self.store.chats.save, [chat])
            return chat
        seen_at = {dialog.id: dialog.last_message_at for dialog in dialogs}
        return replace(known, last_message_at=seen_at.get(chat.id))

    async def describe(self, chat: Chat) -> str:
        """Say which chat is meant: its title, id, username and last message."""
        return await self.thread.run(self.store.chats.describe, chat)

    async def _ask_for_dialogs(self, name: str) -> Sequence[Chat]:
        if self.daemon is None:
            return ()
        try:
            return await self.daemon.list_dialogs()
        except TelegramError as exc:
            known = await self.thread.run(self.store.chats.find, name)
            described = await self.describe(known)
            raise ChatNotFoundError(
                f"Telegram can't be asked whether somebody else is called {name!r} by now ({exc}). "
                f"Known here is {described}; give the id, {known.id}, which needs no asking."
            ) from exc

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
