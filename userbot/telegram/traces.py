"""What the clone itself did on Telegram, so that its echo is never mistaken for the owner."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Mapping

_IDS_KEPT = 5000


class OwnTraces:
    """Remember own messages, reads and drafts.

    `userbot.reply.echo` has the table of all ways in which the clone's own messages come back, and who recognises them.

    Telegram hides the echo of a request from the session that made it. The echo still comes back by other ways: in a
    difference, after a lost answer or a crash, and in the history that the reconciler reads.

    Args:
        unconfirmed: Bubbles, as (chat id, text), that an earlier run may have sent.
        drafts: Texts by chat id that an earlier run put into draft boxes.
    """

    def __init__(self, unconfirmed: Iterable[tuple[int, str]] = (), drafts: Mapping[int, str] | None = None) -> None:
        self._unconfirmed = {(chat_id, text.strip()) for chat_id, text in unconfirmed}
        self._sent: OrderedDict[tuple[int, int], None] = OrderedDict()
        self._read: dict[int, int] = {}
        self._drafts: dict[int, str] = {chat_id: text.strip() for chat_id, text in (drafts or {}).items()}

    def expect(self, chat_id: int, text: str) -> None:
        """Note that a bubble is about to be sent; it may arrive even if no answer comes."""
        self._unconfirmed.add((chat_id, text.strip()))

    def confirm(self, chat_id: int, text: str, *, message_id: int) -> None:
        """Note that a bubble was sent, and as which message."""
        self._unconfirmed.discard((chat_id, text.strip()))
        self._remember(chat_id, message_id)

    def forget(self, chat_id: int, text: str) -> None:
        """Note that Telegram refused a bubble, so that it will not arrive."""
        self._unconfirmed.discard((chat_id, text.strip()))

    def is_sent(self, chat_id: int, message_id: int, *, text: str) -> bool:
        """Tell whether a message of the owner's account is the clone's; from then on its id is remembered.

        Args:
            chat_id: The message's chat.
            message_id: Its id.
            text: What it says.
        """
        if (chat_id, message_id) in self._sent:
            return True
        if (chat_id, text.strip()) in self._unconfirmed:
            # It has arrived now: the same text later is the owner's, unless the clone sends it again.
            self._unconfirmed.discard((chat_id, text.strip()))
            self._remember(chat_id, message_id)
            return True
        return False

    def note_read(self, chat_id: int, up_to_id: int) -> None:
        """Note that the clone acknowledged messages."""
        self._read[chat_id] = max(up_to_id, self._read.get(chat_id, 0))

    def is_read(self, chat_id: int, up_to_id: int) -> bool:
        """Tell whether the clone itself acknowledged the messages up to one."""
        return up_to_id <= self._read.get(chat_id, 0)

    def note_draft(self, chat_id: int, text: str) -> None:
        """Note what the clone puts into a chat's draft box; "" for emptying it."""
        if text.strip():
            self._drafts[chat_id] = text.strip()
        else:
            self._drafts.pop(chat_id, None)

    def is_draft(self, chat_id: int, text: str) -> bool:
        """Tell whether a draft is the clone's, word for word."""
        return self._drafts.get(chat_id) == text.strip()

    def _remember(self, chat_id: int, message_id: int) -> None:
        self._sent[chat_id, message_id] = None
        while len(self._sent) > _IDS_KEPT:
            self._sent.popitem(last=False)
