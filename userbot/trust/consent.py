"""Who may consent to training on a chat, and how a consent is taken back; the ledger is written by these rules.

The rules, each with its reason in docs/privacy.md: only chats with people; groups member by member, all that the store
knows of; never a chat of which only the owner's side is known; and somebody must be named who agreed.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime

from userbot.domain.consent import FORGOTTEN, Action, ConsentRecord, ConsentState
from userbot.domain.errors import ChatNotFoundError, ConfigError, ConsentError
from userbot.domain.messages import Chat, ChatKind
from userbot.domain.names import name_key, name_skeleton, read_id
from userbot.domain.plural import format_count
from userbot.store import Store

API_TERMS = (
    "Telegram's API terms (1.5) forbid the use of data from Telegram to train models; its content-licensing page "
    "allows exceptions only where all users concerned have agreed for that chat."
)
"""What is recorded with every consent: the reason why it is asked for."""

_KINDS = {
    ChatKind.CHANNEL: "a channel, in which nobody talks to you",
    ChatKind.BOT: "a chat with a bot, and a program can't agree to anything",
    ChatKind.SAVED: "your Saved Messages, in which nobody answers",
    ChatKind.SERVICE: "a service chat of Telegram's, which holds login codes",
}


def record(
    store: Store,
    chat_id: int,
    *,
    by: str,
    wording: str | None = None,
    members: Collection[int] | None = None,
    since: datetime | None = None,
    origin: str = "owner",
) -> ConsentRecord:
    """Record that the people of a chat agreed to training on it.

    Args:
        store: Holds the ledger.
        chat_id: The chat.
        by: Who agreed, and how, in the owner's words.
        wording: What they were shown or told; the terms of Telegram's API are recorded with it.
        members: In groups, ids of those who agreed; who had agreed before need not be named again. Not for others.
        since: Only messages sent from here on; None for all.
        origin: Who writes this: `owner`.

    Returns:
        The new row.

    Raises:
        ChatNotFoundError: The store has no such chat.
        ConfigError: `by` or the wording says nothing, or the members don't fit the chat.
        ConsentError: The chat is never trained on, or a member of the group has not agreed.
    """
    chat = _get_chat(store, chat_id)
    refuse_if_never_trained(store, chat)
    for name, text in (("Who agreed", by), ("The wording", wording)):
        if text is not None and not says_something(text):
            raise ConfigError(
                f"{name} is {text!r}, which says nothing. Give words, such as --by 'Vera, asked on 3 May'."
            )
    if chat.kind is ChatKind.GROUP:
        members = _require_all(store, chat, members)
    elif members:
        raise ConfigError(f"{chat.title!r} is no group, so it has no members to name. Leave --member out.")
    shown = API_TERMS if wording is None else f"{wording.strip()}\n{API_TERMS}"
    new = store.consents.append(
        chat.id, Action.GIVEN, members=members or None, since=since, given_by=by.strip(), wording=shown, origin=origin
    )
    store.chats.keep_name(chat.id)
    return new


def withdraw(
    store: Store, chat_id: int, *, reason: str | None = None, member: int | None = None, origin: str = "owner"
) -> ConsentRecord | None:
    """Record that a consent is taken back: nothing is trained on the chat from now on.

    Adapters that learned from it are stale then; see `userbot.trust.stale_adapters`.

    Args:
        store: Holds the ledger.
        chat_id: The chat; it need not be in the store any more.
        reason: Why, such as `opted out`. `userbot.domain.consent.FORGOTTEN` records the withdrawal in any case, and
            takes the names of the chat out of the ledger.
        member: In a group, the one member who takes their own consent back; None for everybody.
        origin: Who does it: `owner` or `contact`.

    Returns:
        The new row; None where there is no consent to take back.

    Raises:
        ConfigError: The reason is blank.
    """
    if reason is not None and not says_something(reason):
        raise ConfigError(f"The reason is {reason!r}, which says nothing. Give words, or leave it out.")
    state = store.consents.state(chat_id)
    # Someone whose consent was carried over without a list of members takes it back for the whole group.
    listed = state.given is not None and state.given.members is not None
    if reason != FORGOTTEN and not _has_consent(state, member if listed else None):
        return None
    members = [member] if member is not None and listed else None
    new = store.consents.append(chat_id, Action.WITHDRAWN, members=members, reason=reason, origin=origin)
    if reason == FORGOTTEN:
        store.consents.erase_names(chat_id)
    return new


def find_members(store: Store, chat: Chat, names: Sequence[str]) -> list[int]:
    """Return the ids of the members of a group that are meant.

    Args:
        store: Knows the members.
        chat: The group.
        names: Ids, or whole names as the group shows them.

    Raises:
        ConfigError: A name means none of them, or more than one.
    """
    known = store.consents.members(chat.id)
    found = []
    for name in names:
        number = read_id(name)
        fit = [one for one in known if one == number or (number is None and _is_alike(known[one], name))]
        if len(fit) != 1:
            problem = "No member" if not fit else f"More than one member ({', '.join(map(str, fit))})"
            raise ConfigError(f"{problem} of {chat.title!r} fits {name!r}. Known: {list_names(known, known)}.")
        found += fit
    return found


def list_names(known: dict[int, str], chosen: Collection[int]) -> str:
    """Return members as text for the owner, each with the id."""
    return ", ".join(f"{known.get(one, 'somebody')} ({one})" for one in chosen) or "nobody"


def describe_consent(store: Store, chat: Chat) -> str:
    """Say for the owner in a few words how it stands with training on a chat."""
    if chat.own_only:
        return "no: only yours"
    if not chat.kind.is_conversation:
        return "never"
    return describe_state(store.consents.state(chat.id))


def describe_state(state: ConsentState) -> str:
    """Say in a few words what the ledger says of a chat."""
    if state.stands and state.given is not None:
        since = f", from {state.since.astimezone():%d %b %Y} on" if state.since else ""
        return f"{state.given.given_by or 'somebody'}{since}"
    if state.given is not None and state.left:
        return f"withdrawn by {format_count(len(state.left), 'member')}"
    if state.given is not None:
        return f"to be asked again: {format_count(len(state.missing), 'member')} did not agree"
    return "withdrawn" if state.withdrawn is not None else "no consent"


def refuse_if_never_trained(store: Store, chat: Chat) -> None:
    """Make sure that a chat is one of those that can be trained on at all.

    Raises:
        ConsentError: It is not; the text says why.
    """
    why = _KINDS.get(chat.kind)
    if why is None and chat.own_only:
        why = "known from one side only, yours, so it teaches nothing about answers"
    if why is None and chat.kind is ChatKind.GROUP and not store.consents.members(chat.id):
        why = "a group of which no other member's message is stored, so nobody is known who could agree"
    if why is not None:
        raise ConsentError(
            f"{chat.title!r} is {why}: it is never trained on, and no consent is recorded. `clone chats list` shows "
            f"the chats with people; `clone import` and `clone pull` bring in their messages."
        )


def says_something(text: str) -> bool:
    """Tell whether a text has a letter or digit that can be seen."""
    return any(one.isalnum() for one in name_key(text))


def _require_all(store: Store, chat: Chat, members: Collection[int] | None) -> list[int]:
    """Return the members of a group who agree now, if that is everybody."""
    known, state = store.consents.members(chat.id), store.consents.state(chat.id)
    agreed = set(members or ())
    strangers = sorted(agreed - known.keys())
    if strangers:
        raise ConfigError(f"{strangers[0]} is no member of {chat.title!r}. Known: {list_names(known, known)}.")
    missing = [one for one in known if one not in agreed and one not in state.agreed]
    if missing or not agreed:
        raise ConsentError(
            f"{chat.title!r} is a group, and everybody in it must agree; missing: {list_names(known, missing)}. Ask "
            f"them, then name each with --member, or say --all-members where all of them agreed."
        )
    return sorted(agreed)


def _has_consent(state: ConsentState, member: int | None) -> bool:
    return state.given is not None if member is None else member in state.agreed


def _is_alike(known: str, name: str) -> bool:
    return name_skeleton(known) == name_skeleton(name)


def _get_chat(store: Store, chat_id: int) -> Chat:
    chat = store.chats.get(chat_id)
    if chat is None:
        raise ChatNotFoundError(f"No chat has the id {chat_id}. `clone chats list` shows the ids.")
    return chat
