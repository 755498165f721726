"""Store what happened: what is kept, what is known already, and whose words they are."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from enum import StrEnum

from userbot.domain.events import Arrived, Deleted, Edited, Renamed
from userbot.domain.messages import Chat, ChatKind, Mode, Origin
from userbot.domain.telegram_ids import SERVICE_IDS
from userbot.reply.echo import settle_echo
from userbot.store import Store


class Intake(StrEnum):
    """What became of a message that arrived."""

    IGNORED = "ignored"
    KNOWN = "known"
    CONTACT = "peer"
    OWNER = "owner"
    ECHO = "echo"
    AUTOMATIC = "automatic"


def is_kept(chat: Chat | None) -> bool:
    """Tell whether messages of a chat are stored at all.

    Only what the owner chose: chats that the clone answers or drafts in, and chats with consent to be trained on.
    Of all others, imported or not, nothing that arrives is written down.
    """
    if chat is None or not chat.kind.is_conversation or chat.id in SERVICE_IDS:
        return False
    return chat.mode is not Mode.OFF or chat.consent_at is not None


def store_message(store: Store, event: Arrived, *, pause: timedelta) -> Intake:
    """Store a message that arrived; an owner's message pauses its chat first, so that a crash can't lose the pause.

    Args:
        store: Where it goes.
        event: The message with its chat as Telegram describes it now.
        pause: How long the chat is paused after a message of the owner, counted from when it was written.

    Returns:
        Whose message it is, or why it was not stored. `userbot.reply.echo` says which messages are the clone's own.
    """
    chat = store.chats.get(event.chat.id)
    if chat is None or not is_kept(chat):
        store.chats.release_usernames([event.chat])
        return Intake.IGNORED
    _refresh(store, chat, event.chat)
    message = event.message
    if message.origin is Origin.CONTACT:
        return Intake.CONTACT if store.messages.add([message]) else Intake.KNOWN
    if settle_echo(store, message):
        return Intake.ECHO
    if store.messages.get(message.chat_id, message.id) is not None:
        return Intake.KNOWN
    if event.automatic:
        store.messages.add([message])
        return Intake.AUTOMATIC
    if chat.mode is not Mode.OFF:
        pause_chat(store, chat.id, message.sent_at + pause)
    return Intake.OWNER if store.messages.add([message]) else Intake.KNOWN


def pause_chat(store: Store, chat_id: int, until: datetime) -> None:
    """Pause a chat until a time, unless that is in the past or the chat is paused for longer already."""
    chat = store.chats.get(chat_id)
    if chat is not None and until > (chat.paused_until or store.clock()):
        store.chats.pause(chat_id, until)


def store_name(store: Store, event: Renamed) -> None:
    """Store what a contact of a kept chat is called now; prompts keep the name that the owner accepted."""
    chat = store.chats.get(event.chat_id)
    if chat is not None and is_kept(chat):
        store.chats.save([replace(chat, title=event.title or chat.title, username=event.username)])
    else:
        seen = Chat(id=event.chat_id, kind=ChatKind.PRIVATE, title=event.title, username=event.username)
        store.chats.release_usernames([seen])


def store_edit(store: Store, event: Edited) -> bool:
    """Store an edit of a message that is kept; tell whether there was one."""
    if store.messages.get(event.message.chat_id, event.message.id) is None:
        return False
    store.messages.add([event.message])
    return True


def store_deletion(store: Store, event: Deleted) -> set[int]:
    """Mark messages as deleted; return the chats that lost some."""
    if event.chat_id is not None:
        places = dict.fromkeys(event.message_ids, event.chat_id)
    else:
        places = store.messages.chats_of(event.message_ids)
    chats = set(places.values())
    for chat_id in chats:
        store.messages.mark_deleted(chat_id, [m for m, place in places.items() if place == chat_id])
    return chats


def _refresh(store: Store, known: Chat, seen: Chat) -> None:
    # What is known and not in the update stays: an update may carry less than the list of chats did.
    fresh = replace(
        known,
        title=seen.title or known.title,
        kind=seen.kind,
        # Who has an access hash is described in full, so that a missing username is one that was given up.
        username=seen.username if seen.access_hash is not None else seen.username or known.username,
        access_hash=seen.access_hash or known.access_hash,
    )
    if fresh != known:
        store.chats.save([fresh])
