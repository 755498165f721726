"""What the loopback Telegram remembers: accounts, chats, messages, and the numbered events that clients catch up with.

Chats are named by marked ids, as Telethon's `get_peer_id` gives them: users positive, basic groups negative, channels
from -1000000000000 downwards.
"""

from __future__ import annotations

from bisect import bisect_right, insort
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from random import Random
from typing import Any

from telethon.errors import RPCError

CHANNEL_OFFSET = -1_000_000_000_000
_ONLINE_FOR = timedelta(minutes=5)


class EventKind(StrEnum):
    """What can happen in a box; each event has its number, the pts."""

    NEW = "new"
    EDIT = "edit"
    DELETE = "delete"
    READ_INBOX = "read inbox"
    READ_OUTBOX = "read outbox"


@dataclass(frozen=True, slots=True)
class Event:
    """One numbered change of a box.

    Args:
        kind: What happened.
        pts: The box's number after the change.
        pts_count: By how much it grew.
        chat_id: Where it happened.
        message_ids: Which messages; the last one read for the two kinds of reading.
        unread: Number of messages that are still unread, for READ_INBOX.
    """

    kind: EventKind
    pts: int
    pts_count: int
    chat_id: int
    message_ids: tuple[int, ...]
    unread: int = 0


@dataclass(slots=True)
class StoredMessage:
    """One message as it is stored in one box; its copies in other boxes share `uid`, not `id`."""

    id: int
    uid: int
    chat_id: int
    sender_id: int
    text: str
    date: datetime
    edit_date: datetime | None = None
    reply_to_id: int | None = None
    forward: Any = None
    media: Any = None
    entities: list[Any] = field(default_factory=list)
    action: Any = None
    mentioned_ids: frozenset[int] = frozenset()
    fields: Mapping[str, Any] = field(default_factory=dict)


@dataclass(slots=True)
class Box:
    """A series of messages with ids of its own, and of events with pts of its own: an account's, or a channel's."""

    pts: int = 1
    last_id: int = 0
    messages: dict[int, StoredMessage] = field(default_factory=dict)
    chats: dict[int, list[int]] = field(default_factory=dict)
    by_uid: dict[int, int] = field(default_factory=dict)
    events: list[Event] = field(default_factory=list)

    def add(self, message: StoredMessage) -> Event:
        """Store a message, which must have the id `last_id + 1`."""
        self.last_id = message.id
        self.messages[message.id] = message
        insort(self.chats.setdefault(message.chat_id, []), message.id)
        self.by_uid[message.uid] = message.id
        return self.record(EventKind.NEW, message.chat_id, [message.id])

    def remove(self, message_ids: Iterable[int]) -> list[StoredMessage]:
        """Remove messages and return those that were there."""
        removed = [self.messages.pop(number) for number in message_ids if number in self.messages]
        for message in removed:
            self.chats[message.chat_id].remove(message.id)
            self.by_uid.pop(message.uid, None)
        return removed

    def record(self, kind: EventKind, chat_id: int, message_ids: Iterable[int], *, unread: int = 0) -> Event:
        """Number a change: deletions count once per message, everything else once."""
        ids = tuple(message_ids)
        count = len(ids) if kind is EventKind.DELETE else 1
        self.pts += count
        event = Event(kind, self.pts, count, chat_id, ids, unread)
        self.events.append(event)
        return event

    def since(self, pts: int) -> list[Event]:
        """Return the events after `pts`, oldest first."""
        return self.events[bisect_right(self.events, pts, key=lambda event: event.pts) :]


@dataclass(slots=True)
class Dialog:
    """One account's view of one chat."""

    read_inbox_id: int = 0
    read_outbox_id: int = 0
    draft: str = ""
    draft_date: datetime | None = None
    pinned: bool = False


@dataclass(slots=True, eq=False)
class User:
    """A person or bot with an account here; pass it to the server's methods to act as that person."""

    user_id: int
    access_hash: int
    first_name: str
    last_name: str = ""
    phone: str | None = None
    username: str | None = None
    password: str | None = field(default=None, repr=False)
    password_hint: str = ""
    bot: bool = False
    deleted: bool = False
    last_seen: datetime | None = None
    online_until: datetime | None = None
    contacts: set[int] = field(default_factory=set)
    box: Box = field(default_factory=Box, repr=False)
    dialogs: dict[int, Dialog] = field(default_factory=dict, repr=False)
    sent: dict[int, tuple[int, int]] = field(default_factory=dict, repr=False)
    uploads: dict[int, dict[int, bytes]] = field(default_factory=dict, repr=False)
    drafts_log: list[tuple[datetime, int, object]] = field(default_factory=list, repr=False)
    missed_updates: int = 0
    too_long_differences: int = 0

    def dialog(self, chat_id: int) -> Dialog:
        """Return this account's view of a chat, new when it is the first."""
        return self.dialogs.setdefault(chat_id, Dialog())


@dataclass(slots=True, eq=False)
class Group:
    """A basic group: every member has copies of its messages in their own box."""

    chat_id: int
    title: str
    member_ids: list[int]
    date: datetime


@dataclass(slots=True, eq=False)
class Channel:
    """A supergroup, or a broadcast channel: all members share one box."""

    chat_id: int
    access_hash: int
    title: str
    member_ids: list[int]
    date: datetime
    megagroup: bool = True
    username: str | None = None
    box: Box = field(default_factory=Box, repr=False)


Target = User | Group | Channel | int


class World:
    """All accounts and chats of one server.

    Args:
        now: Returns the time that messages carry, aware.
        random: Source of ids, hashes and codes.
    """

    def __init__(self, now: Callable[[], datetime], random: Random) -> None:
        self.now = now
        self.random = random
        self.users: dict[int, User] = {}
        self.groups: dict[int, Group] = {}
        self.channels: dict[int, Channel] = {}
        self.difference_limit = 100
        self.short_updates = False
        self.duplicate_failures = 0
        self._last_uid = 0

    def user(self, user_id: int) -> User:
        """Return an account; raise PEER_ID_INVALID as Telegram would."""
        try:
            return self.users[user_id]
        except KeyError:
            raise RPCError(None, "PEER_ID_INVALID", 400) from None

    def next_uid(self) -> int:
        """Return the number that all copies of the next message share."""
        self._last_uid += 1
        return self._last_uid

    def long(self) -> int:
        """Return a random positive number of 63 bits that is not zero."""
        return self.random.getrandbits(62) + 1

    def box(self, account: User, chat_id: int) -> Box:
        """Return the box in which an account finds a chat's messages."""
        return self.channels[chat_id].box if chat_id in self.channels else account.box

    def members(self, account: User, chat_id: int) -> list[User]:
        """Return everybody who gets a message that `account` writes to `chat_id`, the writer first."""
        if chat_id > 0:
            return [account] if chat_id == account.user_id else [account, self.user(chat_id)]
        chat = self.groups.get(chat_id) or self.channels.get(chat_id)
        if chat is None or account.user_id not in chat.member_ids:
            raise RPCError(None, "CHAT_ID_INVALID" if chat is None else "CHANNEL_PRIVATE", 400)
        others = [self.users[number] for number in chat.member_ids if number != account.user_id]
        return [account, *others]

    def chat_id_for(self, member: User, *, sender: User, chat_id: int) -> int:
        """Return what `member` calls the chat in which `sender` writes to `chat_id`."""
        return sender.user_id if chat_id > 0 and member is not sender else chat_id

    def history(self, account: User, chat_id: int) -> list[StoredMessage]:
        """Return a chat's messages, oldest first."""
        box = self.box(account, chat_id)
        return [box.messages[number] for number in box.chats.get(chat_id, [])]

    def unread(self, account: User, chat_id: int) -> int:
        """Return how many messages of others `account` has not read in a chat."""
        box, unread = self.box(account, chat_id), 0
        read_id = account.dialog(chat_id).read_inbox_id
        for number in reversed(box.chats.get(chat_id, [])):
            if number <= read_id:
                break
            unread += box.messages[number].sender_id != account.user_id
        return unread

    def chats_of(self, account: User) -> list[int]:
        """Return the chats of an account that have a message or a draft, or that it is a member of."""
        shared = [chat.chat_id for chat in self.channels.values() if account.user_id in chat.member_ids]
        groups = [chat.chat_id for chat in self.groups.values() if account.user_id in chat.member_ids]
        own = [chat_id for chat_id, numbers in account.box.chats.items() if numbers]
        drafts = [chat_id for chat_id, dialog in account.dialogs.items() if dialog.draft]
        return list(dict.fromkeys([*own, *shared, *groups, *drafts]))

    def appear(self, user: User, *, online: bool) -> None:
        """Set whether an account shows as online."""
        now = self.now()
        user.last_seen, user.online_until = now, now + _ONLINE_FOR if online else None


def id_of(target: Target) -> int:
    """Return the marked id of a chat, given as an object or as the id itself."""
    match target:
        case User():
            return target.user_id
        case Group() | Channel():
            return target.chat_id
    return target
