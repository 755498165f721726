"""Which chat a name means: the one rule for chats of the store and for the account's own dialogs.

An order that hits another chat than the owner means can't be taken back, and anybody may take any title. So a name
means a chat only where nothing else could be meant; in every other case the chats that could be are listed, each with
its id, and the owner gives the id.

- A whole number is an id and nothing else: no title can pass for it.
- `@name` is a username; whoever had it before could be meant as well.
- Everything else is a whole title, as Telegram shows it now or as the prompt has it, or a username.
- A chat whose title looks the same (another alphabet, emoji, spaces) could be meant as well.
- A chat that is merely in the list of dialogs is not meant where one of the store comes near.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime

from userbot.domain.errors import ChatNotFoundError
from userbot.domain.messages import Chat
from userbot.domain.names import clean_name, name_key, name_skeleton, read_id

SHOWN = 8
"""Most chats that a refusal lists."""

_FORGED_ID = re.compile(r"\(\s*id\b", re.IGNORECASE)
_LIST = "`clone chats list` shows the chats and their ids."


def find_chat(name: str, known: Sequence[Chat], *, dialogs: Iterable[Chat] = ()) -> Chat:
    """Return the one chat that a name means.

    Args:
        name: An id, a username with or without `@`, or a whole title.
        known: Chats of the store.
        dialogs: The account's own chats, where Telegram was asked.

    Raises:
        ChatNotFoundError: No chat is meant, or more than one could be; the text lists them with their ids.
    """
    if not name_key(name).removeprefix("@"):
        raise ChatNotFoundError("No chat is named. `clone chats list` shows the chats and their ids.")
    ids = {chat.id for chat in known}
    everyone = [*known, *(chat for chat in dialogs if chat.id not in ids)]
    number = read_id(name)
    if number is not None:
        return _find_id(name, number, everyone)
    exact = [chat for chat in everyone if _is_named(chat, name)]
    alike = [chat for chat in everyone if chat not in exact and _is_alike(chat, name)]
    if not exact or exact[0].id not in ids:  # somebody new must not take the place of a chat that is known
        alike += [chat for chat in known if chat not in exact and chat not in alike and _has_part(chat, name)]
    if len(exact) == 1 and not alike:
        return exact[0]
    if exact:
        raise _refuse(f"{len(exact) + len(alike)} chats fit {name!r}", [*exact, *alike])
    if alike:
        come = "comes" if len(alike) == 1 else "come"
        raise _refuse(f"No chat is called {name!r}, but {len(alike)} {come} near", alike)
    raise ChatNotFoundError(f"No chat fits {name!r}. {_LIST}")


def describe_chat(chat: Chat, *, newest_at: datetime | None = None) -> str:
    """Say which chat is meant, so that nobody else passes for it: `Vera (id 101, @vera, last message 3 May 14:02)`.

    Args:
        chat: The chat.
        newest_at: Time of its newest message, aware; None for the one that Telegram's list of chats has, if any.
    """
    newest_at = newest_at or chat.last_message_at
    parts = [f"id {chat.id}"]
    if chat.username:
        parts.append(f"@{chat.username}")
    if chat.kind.value != "private":
        parts.append(chat.kind.value)
    if chat.source != "telegram":
        parts.append(chat.source)
    if newest_at is not None:
        parts.append(f"last message {newest_at.astimezone():%-d %b %Y %H:%M}")
    # Nobody passes for another by a title such as `Vera (id 101, @vera)`.
    title = _FORGED_ID.sub("[id", clean_name(chat.title))
    return f"{title or 'without a name'} ({', '.join(parts)})"


def taken_usernames(seen: Iterable[Chat], known: Mapping[int, str]) -> set[int]:
    """Return the chats that can't have their usernames any more, as others are seen with them now.

    Args:
        seen: Chats as Telegram describes them now.
        known: Usernames by chat, as they were stored.
    """
    holders = {chat.username.casefold(): chat.id for chat in seen if chat.username}
    return {chat_id for chat_id, name in known.items() if holders.get(name.casefold(), chat_id) != chat_id}


def _find_id(name: str, number: int, chats: Sequence[Chat]) -> Chat:
    for chat in chats:
        if chat.id == number:
            return chat
    alike = [chat for chat in chats if _is_alike(chat, name)]
    if alike:
        raise _refuse(f"No chat has the id {number}, and a number is always an id; so is titled", alike)
    raise ChatNotFoundError(f"No chat fits {name!r}. {_LIST}")


def _is_named(chat: Chat, name: str) -> bool:
    key = name_key(name)
    username = (chat.username or "").casefold()
    if key.startswith("@"):
        return username == key[1:] or name_key(chat.title) == key
    return username == key or any(name_key(title) == key for title in _titles(chat))


def _is_alike(chat: Chat, name: str) -> bool:
    key = name_key(name)
    if key.removeprefix("@") in {former.casefold() for former in chat.former_usernames}:
        return True
    if key.startswith("@"):
        return False
    return any(name_skeleton(title) == name_skeleton(name) for title in _titles(chat))


def _has_part(chat: Chat, name: str) -> bool:
    key = name_key(name)
    return any(key in name_key(title) for title in _titles(chat))


def _titles(chat: Chat) -> tuple[str, ...]:
    return (chat.title, *(named.name for named in chat.prompt_names))


def _refuse(what: str, chats: Sequence[Chat]) -> ChatNotFoundError:
    listed = "; ".join(describe_chat(chat) + _former(chat) for chat in chats[:SHOWN])
    more = f"; and {len(chats) - SHOWN} more" if len(chats) > SHOWN else ""
    return ChatNotFoundError(f"{what}: {listed}{more}. Give the id of the right one.")


def _former(chat: Chat) -> str:
    return f", formerly @{', @'.join(chat.former_usernames)}" if chat.former_usernames else ""
