"""What can happen on Telegram, as values: the daemon's only input."""

from __future__ import annotations

from dataclasses import dataclass

from userbot.domain.messages import Chat, Message


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrived:
    """A message came by an update or by the reconciler.

    Args:
        chat: Chat it belongs to, as Telegram describes it now.
        message: The message; its origin is `owner` when another device of the owner sent it.
        mentions_owner: In a group: the owner is mentioned, or it answers a message of the owner's side.
        automatic: An own message that Telegram sent for the owner (scheduled, away message, business bot): it does not
            show that the owner is present.
        typed: In Saved Messages: the owner typed it there, as new plain text, so that it may be a command.
    """

    chat: Chat
    message: Message
    mentions_owner: bool = False
    automatic: bool = False
    typed: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Edited:
    """The text of a message was changed; `message.edited_at` is set."""

    message: Message


@dataclass(frozen=True, slots=True, kw_only=True)
class Deleted:
    """Messages were deleted. Telegram names the chat only for supergroups and channels."""

    message_ids: tuple[int, ...]
    chat_id: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Renamed:
    """A contact changed their name or username.

    Args:
        chat_id: The private chat.
        title: What they are called now.
        username: Without `@`; None where they have none any more.
    """

    chat_id: int
    title: str
    username: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ContactTyping:
    """The contact is typing in a chat; it holds for about six seconds."""

    chat_id: int


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnerActive:
    """The owner did something in a chat from another device: `read` it, or holds a `draft` there."""

    chat_id: int
    action: str


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnerOnline:
    """The owner's own online state, as Telegram reports it."""

    online: bool


Event = Arrived | Edited | Deleted | Renamed | ContactTyping | OwnerActive | OwnerOnline
