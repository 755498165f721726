"""Consent to training: one row of the ledger, and what all rows of a chat say together."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

FORGOTTEN = "forgotten"
"""Reason of a withdrawal that takes the names of the chat out of the ledger."""


class Action(StrEnum):
    """What a row of the ledger says."""

    GIVEN = "given"
    WITHDRAWN = "withdrawn"
    BOUND = "bound"
    """The rows from before the first login belong to this account."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ConsentRecord:
    """One row of the ledger.

    Args:
        id: Its place; later rows have greater ids.
        account_id: Account that was logged in; None before the first login.
        chat_id: The chat; None for `Action.BOUND`.
        action: What happened.
        members: In groups, ids of the members whom it is about; None for everybody.
        since: Messages sent from here on are meant; None for all.
        at: When it was written, aware, UTC.
        given_by: Who agreed, in the owner's words; None once the chat is forgotten.
        wording: What the people were shown or told; None where that is not known.
        reason: Why it was withdrawn.
        origin: How it was written: `owner`, `contact`, `carried over` from a version without a ledger.
    """

    id: int
    account_id: int | None
    chat_id: int | None
    action: Action
    members: tuple[int, ...] | None
    since: datetime | None
    at: datetime
    given_by: str | None
    wording: str | None
    reason: str | None
    origin: str


@dataclass(slots=True)
class ConsentState:
    """What the ledger says of one chat now.

    Args:
        chat_id: The chat.
        given: Newest consent that stands; None where there is none.
        agreed: In groups, who agrees, with the consent of each.
        left: In groups, members who took their consent back and have not given it again.
        withdrawn: Newest withdrawal after which nobody consented again.
        missing: In groups, members who have not agreed, such as those who came later.
    """

    chat_id: int
    given: ConsentRecord | None = None
    agreed: dict[int, ConsentRecord] = field(default_factory=dict)
    left: set[int] = field(default_factory=set)
    withdrawn: ConsentRecord | None = None
    missing: tuple[int, ...] = ()

    @property
    def stands(self) -> bool:
        """Tell whether the chat may be trained on."""
        return not self.lapsed and not self.missing

    @property
    def lapsed(self) -> bool:
        """Tell whether nobody agreed, or somebody took it back: adapters that learned from the chat are stale."""
        return self.given is None or bool(self.left)

    @property
    def since(self) -> datetime | None:
        """Return the time from which messages may be trained on; None for all of them."""
        standing = [*self.agreed.values(), *([self.given] if self.given else [])]
        return max((one.since for one in standing if one.since is not None), default=None)

    def covers(self, at: datetime | None = None) -> bool:
        """Tell whether a message of this time, or any where it is None, may be trained on."""
        return self.stands and (at is None or self.since is None or at >= self.since)

    def apply(self, record: ConsentRecord) -> None:
        """Take the next row of the chat into account."""
        if record.action is Action.GIVEN:
            self.given, self.withdrawn = record, None
            self.agreed.update(dict.fromkeys(record.members or (), record))
            self.left.difference_update(record.members or self.left)
            return
        self.withdrawn = record
        if record.members is None:
            self.given = None
            self.agreed.clear()
            self.left.clear()
            return
        self.left.update(record.members)
        for member in record.members:
            self.agreed.pop(member, None)
        if not self.agreed:
            self.given = None
