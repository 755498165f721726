"""Rows of one chat to messages."""

from __future__ import annotations

from collections import Counter, OrderedDict
from collections.abc import Sequence

from msgspec import UNSET

from userbot.importers.found import Owner
from userbot.importers.telegram.ids import MAX_MESSAGE_ID, mark_sender, read_time
from userbot.importers.telegram.media import describe_media, join_entities
from userbot.importers.telegram.owner import OwnerRule
from userbot.importers.telegram.quick import QuickMessage
from userbot.importers.telegram.rows import Row, join_text
from userbot.messages import Chat, ChatKind, Message, Origin

DELETED = "Deleted account"
# How many messages of a forum are remembered as belonging to a topic, for the replies to them.
TOPIC_MEMORY = 50_000

_UNUSED = {"service": "service message", "unsupported": "not supported by the exporter"}


class ChatRows:
    """Turns a chat's rows into messages; `skipped` counts the rest by reason, `owner` is the owner once he wrote."""

    def __init__(self, chat: Chat, rule: OwnerRule) -> None:
        self.skipped: Counter[str] = Counter()
        self.owner: Owner | None = None
        self.local_times = False
        self._chat = chat
        self._rule = rule
        self._named = chat.kind is ChatKind.GROUP
        self._senders: dict[str | int | None, tuple[int | None, Origin]] = {}
        self._topics: set[int] = set()
        self._topic_of: OrderedDict[int, int] = OrderedDict()

    def convert(self, rows: Sequence[Row]) -> list[Message]:
        """Return the messages among some rows."""
        if rows and rows[0].date_unixtime is None:
            self.local_times = True
        return [message for row in rows if (message := self._convert(row)) is not None]

    def _convert(self, row: Row) -> Message | None:
        # This runs millions of times: the common case reads few fields and calls few functions.
        if row.type != "message":
            return self._skip_unused(row)
        message_id = row.id
        if message_id is None or not -MAX_MESSAGE_ID < message_id < MAX_MESSAGE_ID:
            return self._skip("row without an id")
        sent_at = read_time(row.date, row.date_unixtime)
        if sent_at is None:
            return self._skip("row without a time")
        text = row.text
        if type(text) is not str:
            text = join_text(text)
        media = None
        if row.media_type is not None or row.photo is not None or row.file is not None or not text:
            media = describe_media(row)
            text = text or join_entities(row)
            if media is None and not text:
                return self._skip("empty message")
        sender_id, origin = self._senders.get(row.from_id) or self._meet(row)
        reply_to_id, topic_id = row.reply_to_message_id, None
        if reply_to_id is not None:
            reply_to_id, topic_id = self._place(row, reply_to_id)
        return QuickMessage(
            self._chat.id,
            message_id,
            origin,
            sent_at,
            text,
            media,
            sender_id,
            (row.from_ or DELETED) if self._named else None,
            reply_to_id,
            topic_id,
            row.forwarded_from is not UNSET or row.saved_from is not UNSET,
            row.via_bot is not None,
            None if row.edited is None else read_time(row.edited, row.edited_unixtime),
        )  # type: ignore[return-value]  # see quick.py

    def _skip(self, reason: str) -> Message | None:
        self.skipped[reason] += 1
        return None

    def _skip_unused(self, row: Row) -> Message | None:
        if row.action == "topic_created" and row.id is not None:
            self._topics.add(row.id)
        return self._skip(_UNUSED.get(row.type or "", "row of an unknown type"))

    def _meet(self, row: Row) -> tuple[int | None, Origin]:
        sender_id = mark_sender(row.from_id)
        if self._rule.by_exclusion:
            mine = sender_id is not None and sender_id != self._chat.id
        elif sender_id is not None:
            mine = sender_id == self._rule.id
        else:
            mine = row.from_ is not None and row.from_ == self._rule.name
        if mine and self.owner is None:
            self.owner = Owner(sender_id or self._rule.id, row.from_)
        met = (sender_id, Origin.OWNER if mine else Origin.PEER)
        # Without an id, everybody would be one and the same.
        if row.from_id is not None:
            self._senders[row.from_id] = met
        return met

    def _place(self, row: Row, reply_to_id: int) -> tuple[int | None, int | None]:
        # In forums every message of a topic claims to answer the topic's first row.
        if row.reply_to_peer_id is not None or not -MAX_MESSAGE_ID < reply_to_id < MAX_MESSAGE_ID:
            return None, None
        if not self._topics:
            return reply_to_id, None
        is_root = reply_to_id in self._topics
        topic_id = reply_to_id if is_root else self._topic_of.get(reply_to_id)
        if topic_id is not None and row.id is not None:
            self._topic_of[row.id] = topic_id
            if len(self._topic_of) > TOPIC_MEMORY:
                self._topic_of.popitem(last=False)
        return (None if is_root else reply_to_id), topic_id
