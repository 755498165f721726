"""Exports that identify people only by name: ids derived from names, and the owner among the senders."""

from __future__ import annotations

import re
from collections import Counter, deque
from collections.abc import Mapping

from userbot.domain.derived_ids import digest
from userbot.domain.errors import OwnerUnknownError
from userbot.importers.reading.items import Hints

SHOWN_CANDIDATES = 8

_PHONE = re.compile(r"\W*\d[\d\s()\u00a0\u202f‑-]{5,}\d\W*")


class MessageIds:
    """Derive the message ids of one chat from (time, sender, text), the same in each of its exports.

    Equal messages of the same time are numbered; only the latest messages are remembered for it, so memory stays small.

    Args:
        memory: How many of the latest messages are remembered.
    """

    def __init__(self, memory: int = 20_000) -> None:
        self._counts: Counter[int] = Counter()
        self._latest: deque[int] = deque()
        self._memory = memory

    def derive(self, time: str, sender: str, text: str) -> int:
        """Return an id from 0 to 2⁶² - 1 for the next message; call it in the order of the export."""
        key = digest(f"{time}\0{sender}\0{text}", 62)
        number = self._counts[key]
        self._counts[key] += 1
        self._latest.append(key)
        if len(self._latest) > self._memory:
            old = self._latest.popleft()
            self._counts[old] -= 1
            if not self._counts[old]:
                del self._counts[old]
        return digest(f"{key}\0{number}", 62) if number else key


def choose_by_name(
    senders: Mapping[str, int], hints: Hints, *, where: str, contact: str | None = None, usual: str | None = None
) -> str:
    """Choose the owner among senders known by name.

    Args:
        senders: Number of messages by name.
        hints: The name that the user gave (`--me`) decides; the owner's known name comes last.
        where: The export, for the error text.
        contact: The other side of a chat of two, if the export says who that is.
        usual: Who takes part in most chats, if there is one such person.

    Returns:
        The owner's name, as the export spells it.

    Raises:
        OwnerUnknownError: Nothing decides; the text lists the candidates with their numbers of messages.
    """
    if hints.me is not None:
        requested = hints.me.strip().casefold()
        for name in senders:
            if name.casefold() == requested:
                return name
        raise OwnerUnknownError(f"{where}: no sender is {hints.me!r}. Give --me one of {list_candidates(senders)}.")
    if usual is not None:
        return usual
    if contact in senders and len(senders) == 2:
        return next(name for name in senders if name != contact)
    if hints.owner_name in senders:
        return str(hints.owner_name)
    raise OwnerUnknownError(
        f"{where}: nothing in this export says which sender is you. "
        f"Name yourself with --me NAME; the senders are {list_candidates(senders)}."
    )


def list_candidates(counts: Mapping[str, int]) -> str:
    """Write the senders with the most messages as `name (number)`; phone numbers in place of names are masked."""
    ranked = Counter(counts).most_common()
    shown = ", ".join(f"{_mask(name)} ({count})" for name, count in ranked[:SHOWN_CANDIDATES])
    rest = len(ranked) - SHOWN_CANDIDATES
    return f"{shown} and {rest} more" if rest > 0 else shown or "nobody"


def _mask(name: str) -> str:
    # Where there is no name, messengers show the phone number, which no error text may hold.
    return f"{name[:3]}…{name[-2:]}" if _PHONE.fullmatch(name) else name
