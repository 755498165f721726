"""Members of groups: the name by which prompts know each, the first one that they were seen with.

A member who takes another's name later would otherwise get what is meant for them, and two of one name could not be
told apart. The name is chosen once and never changes, so that training and answers say the same.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from hashlib import blake2b

from sqlalchemy import Connection, insert, select

from userbot.domain.messages import Message, Origin
from userbot.domain.names import choose_free, member_name, name_key, name_skeleton
from userbot.domain.telegram_ids import FIRST_DERIVED_ID
from userbot.store.schema import members

Key = tuple[int, int]
"""A chat's id and a sender's."""


def list_members(received: Iterable[Message]) -> dict[Key, str]:
    """Return the first name of each contact who writes in a group, whoever wrote first coming first."""
    first: dict[Key, Message] = {}
    for message in received:
        if message.sender_name and message.sender_id is not None and message.origin is Origin.CONTACT:
            key = (message.chat_id, message.sender_id)
            # A page of a history begins with its newest message.
            if not is_alone(*key) and (key not in first or message.sent_at < first[key].sent_at):
                first[key] = message
    ordered = sorted(first.items(), key=lambda item: item[1].sent_at)
    return {key: message.sender_name or "" for key, message in ordered}


def member_id(sender_id: int | None, name: str | None) -> int:
    """Return what a member is known by in the ledger of consents: the id, or one derived from the name where exports
    have names only. Derived ids are below those of Telegram.
    """
    if sender_id is not None:
        return sender_id
    digest = blake2b(name_key(name or "").encode(), digest_size=7).digest()
    return -FIRST_DERIVED_ID - int.from_bytes(digest)


def is_alone(chat_id: int, sender_id: int) -> bool:
    """Tell whether a sender is the contact of a private chat, who has the chat's name."""
    return sender_id == chat_id > 0


def keep_names(connection: Connection, found: Mapping[Key, str]) -> None:
    """Store the names of members who have none yet.

    Args:
        connection: In a transaction.
        found: Names as they were seen, by chat and sender.
    """
    if not found:
        return
    query = select(members).where(members.c.chat_id.in_({chat_id for chat_id, _ in found}))
    known = {(row.chat_id, row.sender_id): row.name for row in connection.execute(query)}
    new = choose_names(found, known)
    if new:
        rows = [{"chat_id": chat_id, "sender_id": sender, "name": name} for (chat_id, sender), name in new.items()]
        connection.execute(insert(members), rows)


def choose_names(found: Mapping[Key, str], known: Mapping[Key, str]) -> dict[Key, str]:
    """Choose the names of new members, so that no two of one chat look alike.

    Args:
        found: Names as they were seen, by chat and sender.
        known: Names that were chosen before.

    Returns:
        The names of those in `found` that are not in `known`.
    """
    taken: defaultdict[int, set[str]] = defaultdict(set)
    for (chat_id, _), name in known.items():
        taken[chat_id].add(name_skeleton(name))
    chosen: dict[Key, str] = {}
    for (chat_id, sender_id), seen in found.items():
        if (chat_id, sender_id) not in known:
            name = choose_free(member_name(seen), taken[chat_id])
            taken[chat_id].add(name_skeleton(name))
            chosen[chat_id, sender_id] = name
    return chosen
