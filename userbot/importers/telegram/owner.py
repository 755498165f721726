"""Which of the senders is the owner of a Telegram export."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

from userbot.domain.errors import OwnerUnknownError
from userbot.domain.messages import ChatKind
from userbot.importers.reading.items import Hints
from userbot.importers.reading.names import list_candidates
from userbot.importers.telegram.ids import KINDS, is_shifted, mark_chat, mark_sender
from userbot.importers.telegram.layout import Event
from userbot.importers.telegram.rows import Account, ChatHead, Row


@dataclass(frozen=True, slots=True)
class OwnerRule:
    """How to tell the owner's rows.

    Args:
        id: Their user id, if known.
        name: Their name, for rows without ids (exports before 1.4.8).
        by_exclusion: In a chat of two, the owner is everybody but the contact.
    """

    id: int | None = None
    name: str | None = None
    by_exclusion: bool = False


@dataclass(slots=True)
class Survey:
    """What one pass over an export tells about its senders.

    Args:
        senders: Number of messages by (marked id, name).
        chats_of: For each sender, the private chats of others in which they wrote.
        saved_id: The id of Saved Messages, which is the owner's.
        shifted: Whether the export was made before 2.7.2; None as long as no row was seen.
    """

    senders: Counter[tuple[int | None, str | None]] = field(default_factory=Counter)
    chats_of: dict[int, set[int | None]] = field(default_factory=dict)
    saved_id: int | None = None
    shifted: bool | None = None


def find_owner(account: Account, head: ChatHead | None, hints: Hints) -> OwnerRule | None:
    """Tell the owner from the beginning of an export; None if the whole export must be surveyed.

    Args:
        account: The section `personal_information`.
        head: The first chat.
        hints: What is known before reading.
    """
    if hints.me is not None:
        return None
    if account.user_id is not None:
        return OwnerRule(mark_sender(f"user{account.user_id}"), account.name)
    if head is None or not head.alone:
        return None
    kind = KINDS.get(head.type or "")
    if kind in (ChatKind.PRIVATE, ChatKind.BOT) and head.id is not None:
        return OwnerRule(by_exclusion=True)
    if kind is ChatKind.SAVED and head.id is not None:
        return OwnerRule(mark_chat(head, shifted=False))
    if kind is not None and not kind.is_conversation:
        return OwnerRule(hints.owner_id)
    return OwnerRule(hints.owner_id, hints.owner_name) if hints.owner_id is not None else None


def take_survey(events: Iterable[Event]) -> Survey:
    """Count the senders of a whole export."""
    survey = Survey()
    head = ChatHead()
    for event in events:
        if isinstance(event, ChatHead):
            head = event
        elif isinstance(event, list):
            if survey.shifted is None:
                survey.shifted = is_shifted(event)
            _count(survey, head, event)
    return survey


def choose_owner(survey: Survey, hints: Hints, where: str) -> OwnerRule:
    """Choose the owner by what the user said, by Saved Messages, or as the one who writes in most private chats.

    Args:
        survey: Of the whole export.
        hints: What is known before reading.
        where: The export, for the error text.

    Raises:
        OwnerUnknownError: None of these decides; the text lists the candidates with their numbers of messages.
    """
    if hints.me is not None:
        return _choose_named(survey, hints.me, where)
    if survey.saved_id is not None:
        return OwnerRule(survey.saved_id)
    ranked = Counter({sender: len(chats) for sender, chats in survey.chats_of.items()}).most_common(2)
    if ranked and (len(ranked) == 1 or ranked[0][1] > ranked[1][1]):
        return OwnerRule(ranked[0][0])
    if hints.owner_id is not None:
        return OwnerRule(hints.owner_id, hints.owner_name)
    raise OwnerUnknownError(
        f"{where}: nothing in this export says which sender is you. "
        f"Name yourself with --me NAME; the senders are {_list(survey)}."
    )


def _choose_named(survey: Survey, me: str, where: str) -> OwnerRule:
    requested = me.strip().casefold()
    marked = mark_sender(requested)
    matches = {sender for sender in survey.senders if (sender[1] or "").casefold() == requested}
    if marked is not None:
        matches |= {sender for sender in survey.senders if sender[0] == marked}
    ids = {sender[0] for sender in matches}
    if len(ids) == 1:
        return OwnerRule(ids.pop(), sorted(sender[1] or "" for sender in matches)[-1] or None)
    if ids:
        choices = ", ".join(f"user{number} ({_count_rows(survey, number)})" for number in sorted(i for i in ids if i))
        raise OwnerUnknownError(f"{where}: {len(ids)} senders are named {me!r}. Give an id with --me: {choices}.")
    raise OwnerUnknownError(f"{where}: no sender is {me!r}. Give --me one of {_list(survey)}.")


def _count(survey: Survey, head: ChatHead, rows: list[Row]) -> None:
    kind = KINDS.get(head.type or "")
    chat_id = mark_chat(head, shifted=bool(survey.shifted))
    if kind is ChatKind.SAVED:
        survey.saved_id = chat_id
    for row in rows:
        if row.type == "message":
            sender_id = mark_sender(row.from_id)
            survey.senders[sender_id, row.from_] += 1
            if kind is ChatKind.PRIVATE and sender_id is not None and sender_id != chat_id:
                survey.chats_of.setdefault(sender_id, set()).add(chat_id)


def _count_rows(survey: Survey, sender_id: int) -> int:
    return sum(count for sender, count in survey.senders.items() if sender[0] == sender_id)


def _list(survey: Survey) -> str:
    counts: Counter[str] = Counter()
    for (sender_id, name), count in survey.senders.items():
        if name or sender_id is not None:
            counts[name or f"user{sender_id}"] += count
    return list_candidates(counts)
