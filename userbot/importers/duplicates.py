"""Warn of a chat that is stored twice; see `userbot.store.twins`."""

from __future__ import annotations

from collections.abc import Iterator

from userbot.domain.plural import format_count
from userbot.importers.telegram.html import SOURCE
from userbot.store import Store
from userbot.store.twins import find_twins


def describe_duplicates(store: Store, imported: set[int]) -> Iterator[str]:
    """Yield a warning for each chat that is stored twice.

    Args:
        store: Holds all chats.
        imported: Ids of the chats that this import added or extended; only these are compared.
    """
    for page in [chat for chat in store.chats.all() if chat.source == SOURCE]:
        for other, shared in find_twins(store, page):
            if imported & {page.id, other.id}:
                yield (
                    f"{other.title} is stored twice, with {format_count(shared, 'message')} in common: as {other.id}, "
                    f"and from HTML as {page.id}. Record consent for one of the two only, or the clone is trained on "
                    f"the same messages twice."
                )
