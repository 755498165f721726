"""What is left of the limits when the model is about to be asked: each try counts, whatever becomes of it."""

from __future__ import annotations

from userbot.reply.policy import Rules, find_spent
from userbot.store import Store
from userbot.store.thread import StoreThread


class Budget:
    """Counts the generations for one burst against the limits.

    Judging and counting are one step on the store's thread, so that two chats can't both take what is left for one.

    Args:
        store: Keeps the counts, over restarts too.
        thread: Runs the store's calls.
        chat_id: The chat.
        rules: The limits.
    """

    def __init__(self, store: Store, thread: StoreThread, *, chat_id: int, rules: Rules) -> None:
        self._store = store
        self._thread = thread
        self._chat_id = chat_id
        self._rules = rules
        self._newest: int | None = None

    async def claim(self) -> str | None:
        """Count one generation; return which limit is reached instead, where one is."""
        return await self._thread.run(self._claim)

    async def give_back(self) -> None:
        """Uncount the newest generation, as the model could not be reached."""
        if self._newest is not None:
            await self._thread.run(self._store.generations.take_back, self._newest)
            self._newest = None

    def _claim(self) -> str | None:
        counts = self._store.generations.count(self._chat_id)
        spent = find_spent(
            self._rules, in_hour=counts.chat_in_hour, in_day=counts.in_day, chat_in_day=counts.chat_in_day
        )
        if spent:
            return spent[0][0]
        self._newest = self._store.generations.note(self._chat_id)
        return None
