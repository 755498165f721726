"""One chat twice in the store: from Telegram's HTML pages, and from its JSON or Telegram itself.

Pages hold no id of the chat, so the two can't be merged; but their messages have Telegram's ids and times.
"""

from __future__ import annotations

from collections.abc import Iterator

from userbot.domain.messages import Chat
from userbot.domain.plural import format_count
from userbot.importers.telegram.html import SOURCE
from userbot.store import Store

_TELEGRAM = "telegram"


def describe_duplicates(store: Store, imported: set[int]) -> Iterator[str]:
    """Yield a warning for each chat that is stored twice.

    Args:
        store: Holds all chats.
        imported: Ids of the chats that this import added or extended; only these are compared.
    """
    chats = store.chats.all()
    pages = [chat for chat in chats if chat.source == SOURCE]
    others = [chat for chat in chats if chat.source == _TELEGRAM] if pages else []
    for page in pages:
        for other in others:
            if not imported & {page.id, other.id} or not _may_be_same(page, other):
                continue
            shared = store.messages.count_shared(page.id, other.id)
            if shared:
                yield (
                    f"{other.title} is stored twice, with {format_count(shared, 'message')} in common: as {other.id}, "
                    f"and from HTML as {page.id}. Record consent for one of the two only, or the clone is trained on "
                    f"the same messages twice."
                )


def _may_be_same(page: Chat, other: Chat) -> bool:
    # The title of a private chat's pages may be the first name alone.
    return f"{other.title} ".startswith(f"{page.title} ")
