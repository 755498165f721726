"""Rows of one chat -> messages."""

from __future__ import annotations

from collections import Counter, OrderedDict
from collections.abc import Sequence
from datetime import UTC, datetime

from msgspec import UNSET

from userbot.domain.messages import Chat, ChatKind, Message, Origin
from userbot.importers.reading.items import Owner
from userbot.importers.telegram.ids import mark_sender, read_time
from userbot.importers.telegram.media import describe_media, join_entities
from userbot.importers.telegram.owner import OwnerRule
from userbot.importers.telegram.quick import Draft
from userbot.importers.telegram.rows import EPOCH, Row, join_text

DELETED = "Deleted account"
# How many messages of a forum are remembered as belonging to a topic, for the replies to them.
TOPIC_MEMORY = 50_000

_UNUSED = {"service": "service message", "unsupported": "message that the exporter did not support"}


class ChatRows:
    """Turn a chat's rows into messages.

    Args:
        chat: The chat.
        rule: How to tell the owner's rows.

    Attributes:
        skipped: Numbers of rows that are not messages, by reason.
        owner: The owner, once a row of theirs was read.
        local_times: Whether rows had to be read as times of this computer's zone.
    """

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
        """Return the messages among some rows of the chat, in order."""
        if rows and rows[0].date_unixtime is None:
            self.local_times = True
        chat_id, senders = self._chat.id, self._senders
        messages: list[Message] = []
        # This runs millions of times, and a call costs as much as decoding several fields: a common row makes none.
        for row in rows:
            sent_at = row.date_unixtime
            if (
                row.type != "message"
                or row.id is None
                or sent_at is None
                or sent_at.tzinfo is not UTC
                or sent_at <= EPOCH
            ):
                sent_at = self._check(row)
                if sent_at is None or row.id is None:
                    continue
            text, media = row.text, None
            has_file = row.media_type is not None or row.photo is not None or row.file is not None
            if has_file or not text or type(text) is not str:
                text, media = self._describe(row)
                if not text and media is None:
                    continue
            sender_id, origin = senders.get(row.from_id) or self._meet(row)
            reply_to_id, topic_id = row.reply_to_message_id, None
            if reply_to_id is not None:
                reply_to_id, topic_id = self._place(row, reply_to_id)
            message = Draft()
            message.chat_id = chat_id
            message.id = row.id
            message.origin = origin
            message.sent_at = sent_at
            message.text = text
            message.media = media
            message.sender_id = sender_id
            message.sender_name = (row.from_ or DELETED) if self._named else None
            message.reply_to_id = reply_to_id
            message.topic_id = topic_id
            message.forwarded = row.forwarded_from is not UNSET or row.saved_from is not UNSET
            message.via_bot = row.via_bot is not None
            message.edited_at = None if row.edited is None else read_time(row.edited, row.edited_unixtime)
            message.__class__ = Message  # type: ignore[assignment]  # see quick.py
            messages.append(message)  # type: ignore[arg-type]
        return messages

    def _check(self, row: Row) -> datetime | None:
        """Return when a message was sent; None, and counted, if the time is unknown or the row is not a message."""
        sent_at = None
        if row.type != "message":
            self._skip_unused(row)
        elif row.id is None:
            self._skip("row without an id")
        elif (sent_at := read_time(row.date, row.date_unixtime)) is None:
            self._skip("row without a time")
        return sent_at

    def _describe(self, row: Row) -> tuple[str, str | None]:
        text = join_text(row.text) or join_entities(row)
        media = describe_media(row)
        if not text and media is None:
            self._skip("empty message")
        return text, media

    def _skip(self, reason: str) -> None:
        self.skipped[reason] += 1

    def _skip_unused(self, row: Row) -> None:
        if row.action == "topic_created" and row.id is not None:
            self._topics.add(row.id)
        self._skip(_UNUSED.get(row.type or "", "row of an unknown type"))

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
        met = (sender_id, Origin.OWNER if mine else Origin.CONTACT)
        # Without an id, everybody would be one and the same.
        if row.from_id is not None:
            self._senders[row.from_id] = met
        return met

    def _place(self, row: Row, reply_to_id: int) -> tuple[int | None, int | None]:
        # In forums every message of a topic claims to answer the topic's first row.
        if row.reply_to_peer_id is not None:
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
