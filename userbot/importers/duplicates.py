"""One and the same chat twice in the store: from Telegram's HTML pages, and from its JSON or Telegram itself.

Pages hold no id of the chat, so they can't be put together; but their messages have Telegram's ids and times.
"""

from __future__ import annotations

from collections.abc import Iterator

from userbot.domain.messages import Chat
from userbot.domain.plural import format_count
from userbot.importers.telegram.html import SOURCE
from userbot.store import Store

_TELEGRAM = "telegram"


def describe_doubles(store: Store, imported: set[int]) -> Iterator[str]:
    """Yield a sentence for each chat that is there twice.

    Args:
        store: With all chats.
        imported: Ids of those that came or grew now.
    """
    chats = store.chats.all()
    pages = [chat for chat in chats if chat.source == SOURCE]
    others = [chat for chat in chats if chat.source == _TELEGRAM] if pages else []
    for page in pages:
        for other in others:
            if not imported & {page.id, other.id} or not _may_be_one(page, other):
                continue
            shared = store.messages.count_shared(page.id, other.id)
            if shared:
                yield (
                    f"{other.title} is there twice, with {format_count(shared, 'message')} in common: as {other.id}, "
                    f"and from HTML as {page.id}. Record consent for one of the two only, or the same words are "
                    f"learned twice."
                )


def _may_be_one(page: Chat, other: Chat) -> bool:
    # The title of a private chat's pages may be the first name alone.
    return f"{other.title} ".startswith(f"{page.title} ")
