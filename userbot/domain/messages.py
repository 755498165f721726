"""Values that every part speaks in, and pure functions on them. Training shares this module.

Words: a *bubble* is one message; a *turn* is consecutive bubbles of one side; a *session* is a stretch of a chat
without a long gap. The *owner* is the person cloned; everybody else in a chat is the *contact* side.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum

from userbot.domain.names import clean_name, member_name
from userbot.domain.visible import clean_text

SESSION_GAP = timedelta(hours=6)
"""Silence that ends a session, unless training was configured otherwise."""


class Origin(StrEnum):
    """Who wrote a message."""

    CONTACT = "peer"
    OWNER = "owner"
    CLONE = "clone"


class ChatKind(StrEnum):
    """What a chat is. Only `PRIVATE` and `GROUP` can ever be answered or trained on."""

    PRIVATE = "private"
    GROUP = "group"
    CHANNEL = "channel"
    BOT = "bot"
    SAVED = "saved"
    SERVICE = "service"

    @property
    def is_conversation(self) -> bool:
        """Tell whether people talk to the owner here."""
        return self in (ChatKind.PRIVATE, ChatKind.GROUP)


class Mode(StrEnum):
    """What the clone does with a chat."""

    OFF = "off"
    DRAFT = "draft"
    AUTO = "auto"


@dataclass(frozen=True, slots=True)
class PromptName:
    """The name by which prompts know a chat, from a time on.

    Args:
        name: As it stands in prompts; what the contact calls themselves later changes nothing.
        since: When the owner accepted it, aware, UTC.
    """

    name: str
    since: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Chat:
    """One chat.

    Args:
        id: Telegram's marked peer id: users positive, basic groups `-id`, channels and supergroups `-100…id`. Chats
            of other messengers have ids from `FIRST_DERIVED_ID` up, derived from their name.
        kind: What the chat is.
        title: Name to show to the owner; the contact may change it at any time.
        prompt_names: Names that the owner accepted, oldest first; the newest stands in prompts. Empty before the chat
            was first allowed or consented to.
        source: Where it comes from: `telegram`, `whatsapp`, `instagram`, `messenger`, `discord`.
        username: Public name without `@`.
        former_usernames: Public names that it had before; whoever bears them now is somebody else.
        access_hash: Telegram's key to address the contact without looking its name up.
        own_only: The export holds the owner's messages only, so they lack context and are no training data.
        relationship: The owner's words on who this is ("my sister"), a system line in training and at reply time.
        mode: What the clone does here.
        consent_at: When consent to train on this chat was recorded; None means no training.
        consent_by: Who gave it, in the owner's words.
        paused_until: No replies before this time.
        handled_id: Newest message that the reply path has dealt with.
        last_message_at: Time of its newest message as Telegram's list of chats has it, aware; not stored.
    """

    id: int
    kind: ChatKind
    title: str
    source: str = "telegram"
    username: str | None = None
    former_usernames: tuple[str, ...] = ()
    prompt_names: tuple[PromptName, ...] = ()
    access_hash: int | None = None
    own_only: bool = False
    relationship: str | None = None
    mode: Mode = Mode.OFF
    consent_at: datetime | None = None
    consent_by: str | None = None
    paused_until: datetime | None = None
    handled_id: int = 0
    last_message_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """One bubble. Its key is `(chat_id, id)`.

    Args:
        chat_id: See `Chat.id`.
        id: Message id, signed 64 bit, unique within the chat.
        origin: Who wrote it.
        sent_at: Aware, UTC.
        text: What was written, plain, without formatting; "" where there is only media.
        media: Compact placeholder of an attachment: a sticker's emoji, `[voice 0:07]`, `[photo]`, `[file a.pdf]`.
        sender_id: Telegram user or channel id of the sender, marked like `Chat.id`.
        sender_name: Name to show in groups.
        reply_to_id: Message that this one answers.
        topic_id: Root message of the forum topic.
        forwarded: Somebody else's words, never the owner's own.
        via_bot: Written by an inline bot, never the owner's own words.
        edited_at: Time of the last edit; the text is the last one.
    """

    chat_id: int
    id: int
    origin: Origin
    sent_at: datetime
    text: str
    media: str | None = None
    sender_id: int | None = None
    sender_name: str | None = None
    reply_to_id: int | None = None
    topic_id: int | None = None
    forwarded: bool = False
    via_bot: bool = False
    edited_at: datetime | None = None

    @property
    def content(self) -> str:
        """What a reader sees: the placeholder, then the text; "" for a message of invisible characters."""
        return " ".join(part for part in (clean_text(self.media or ""), clean_text(self.text)) if part)

    @property
    def is_own_words(self) -> bool:
        """Tell whether the owner typed this, so that it may be trained on."""
        return self.origin is Origin.OWNER and bool(clean_text(self.text)) and not (self.forwarded or self.via_bot)


@dataclass(frozen=True, slots=True)
class Turn:
    """Consecutive bubbles of one side.

    Args:
        mine: True for the owner's side (the owner or their clone), False for the contact's.
        bubbles: At least one, in order.
        messages: What the bubbles were made from, in the same order; empty for invented turns.
    """

    mine: bool
    bubbles: tuple[str, ...]
    messages: tuple[Message, ...] = field(default=(), repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """What a generator made.

    Args:
        bubbles: In the order of sending; empty when the model had nothing to say.
        adapter_id: Adapter that wrote it; None for the bare base model.
        finish: `stop` when the model ended its turn itself, `length` when it was cut.
        prompt_tokens: Tokens read.
        new_tokens: Tokens written.
        seconds: Wall time of the generation.
    """

    bubbles: tuple[str, ...]
    adapter_id: str | None = None
    finish: str = "stop"
    prompt_tokens: int = 0
    new_tokens: int = 0
    seconds: float = 0.0


def split_sessions(messages: Iterable[Message], *, gap: timedelta = SESSION_GAP) -> Iterator[list[Message]]:
    """Cut one chat's messages wherever nobody wrote for longer than `gap`.

    Args:
        messages: Of one chat, oldest first.
        gap: Longest silence inside a session.

    Yields:
        Sessions, oldest first; none is empty.
    """
    session: list[Message] = []
    for message in messages:
        if session and message.sent_at - session[-1].sent_at > gap:
            yield session
            session = []
        session.append(message)
    if session:
        yield session


def fold_turns(messages: Iterable[Message], *, names: bool = False) -> list[Turn]:
    """Fold messages, oldest first, into turns; bubbles without any content are left out.

    Args:
        messages: Of one chat.
        names: Write the sender's name before each contact bubble, as groups need it.

    Returns:
        Turns that alternate between the sides, oldest first.
    """
    turns: list[Turn] = []
    side: list[Message] = []

    def close() -> None:
        if side:
            turns.append(
                Turn(side[0].origin is not Origin.CONTACT, tuple(_bubble(m, names) for m in side), tuple(side))
            )
            side.clear()

    for message in messages:
        if not message.content.strip():
            continue
        if side and (side[0].origin is Origin.CONTACT) != (message.origin is Origin.CONTACT):
            close()
        side.append(message)
    close()
    return turns


def system_line(chat: Chat, *, at: datetime | None = None) -> str | None:
    """Say who the contact is, in one line; the same in training and when answering. None where nothing is known.

    Args:
        chat: The chat.
        at: When the adapter was trained that is going to read the line; None for one that is going to be trained.
    """
    name = prompt_name(chat, at=at)
    relationship = " ".join((chat.relationship or "").split())
    if not name:
        return relationship or None
    kind = "Group chat" if chat.kind is ChatKind.GROUP else "Chat with"
    return f"{kind} {name} ({relationship})." if relationship else f"{kind} {name}."


def prompt_name(chat: Chat, *, at: datetime | None = None) -> str:
    """Return what prompts call a chat: the name that the owner accepted, and never what it calls itself since.

    Args:
        chat: The chat.
        at: The name of that time; None for the newest. A chat that was accepted later has its first name.
    """
    accepted = [named for named in chat.prompt_names if at is None or named.since <= at] or chat.prompt_names[:1]
    return clean_name(accepted[-1].name if accepted else chat.title)


def _bubble(message: Message, names: bool) -> str:
    text = message.content.strip()
    if names and message.origin is Origin.CONTACT and message.sender_name:
        return f"{member_name(message.sender_name)}: {text}"
    return text
