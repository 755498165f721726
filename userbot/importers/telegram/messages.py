"""Rows of one chat to messages."""

from __future__ import annotations

from collections import Counter, OrderedDict
from collections.abc import Iterator, Sequence

import msgspec
from msgspec import UNSET

from userbot.importers.found import Owner
from userbot.importers.telegram.ids import MAX_MESSAGE_ID, mark_sender, read_time
from userbot.importers.telegram.media import describe_media, join_text
from userbot.importers.telegram.owner import OwnerRule
from userbot.importers.telegram.rows import Row
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
        self._named_senders: dict[str | None, tuple[int | None, Origin]] = {}
        self._topics: set[int] = set()
        self._topic_of: OrderedDict[int, int] = OrderedDict()

    def convert(self, rows: Sequence[Row]) -> Iterator[Message]:
        """Yield the messages among some rows."""
        for row in rows:
            if row.type != "message":
                self._skip(row)
                continue
            message_id = row.id
            if message_id is None or not -MAX_MESSAGE_ID < message_id < MAX_MESSAGE_ID:
                self.skipped["row without an id"] += 1
                continue
            sent_at = read_time(row.date, row.date_unixtime)
            if sent_at is None:
                self.skipped["row without a time"] += 1
                continue
            text = row.text if isinstance(row.text, str) else join_text(row.text)
            if not text and row.text_entities:
                text = join_text(msgspec.json.decode(row.text_entities))
            media = describe_media(row)
            if not text and media is None:
                self.skipped["empty message"] += 1
                continue
            sender = self._senders.get(row.from_id) if row.from_id is not None else self._named_senders.get(row.from_)
            sender_id, origin = sender or self._meet(row)
            reply_to_id, topic_id = row.reply_to_message_id, None
            if reply_to_id is not None:
                reply_to_id, topic_id = self._place(row, reply_to_id)
            if row.date_unixtime is None:
                self.local_times = True
            yield Message(
                chat_id=self._chat.id,
                id=message_id,
                origin=origin,
                sent_at=sent_at,
                text=text,
                media=media,
                sender_id=sender_id,
                sender_name=(row.from_ or DELETED) if self._named else None,
                reply_to_id=reply_to_id,
                topic_id=topic_id,
                forwarded=row.forwarded_from is not UNSET or row.saved_from is not UNSET,
                via_bot=row.via_bot is not None,
                edited_at=read_time(row.edited, row.edited_unixtime) if row.edited is not None else None,
            )

    def _skip(self, row: Row) -> None:
        if row.action == "topic_created" and row.id is not None:
            self._topics.add(row.id)
        self.skipped[_UNUSED.get(row.type or "", "row of an unknown type")] += 1

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
        if row.from_id is not None:
            self._senders[row.from_id] = met
        else:
            self._named_senders[row.from_] = met
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
