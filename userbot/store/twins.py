"""One chat twice in the store: from Telegram's HTML pages, and from its JSON or Telegram itself.

Pages hold no id of the chat, so the two can't be merged; but their messages have Telegram's ids and times.
"""

from __future__ import annotations

from userbot.domain.derived_ids import HTML_SOURCE
from userbot.domain.messages import Chat
from userbot.store.store import Store

_TELEGRAM = "telegram"


def find_twins(store: Store, chat: Chat) -> list[tuple[Chat, int]]:
    """Return the chats that are the same one from another source, each with the number of messages in common.

    Args:
        store: Holds all chats.
        chat: One of them.
    """
    if chat.source not in (_TELEGRAM, HTML_SOURCE):
        return []
    wanted = _TELEGRAM if chat.source == HTML_SOURCE else HTML_SOURCE
    found = []
    for other in store.chats.all():
        page, whole = (chat, other) if chat.source == HTML_SOURCE else (other, chat)
        # The title of a private chat's pages may be the first name alone.
        if other.source == wanted and f"{whole.title} ".startswith(f"{page.title} "):
            shared = store.messages.count_shared(page.id, whole.id)
            found += [(other, shared)] if shared else []
    return found
