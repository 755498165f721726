"""The numbers of an import."""

from __future__ import annotations

from userbot.domain.messages import Chat, ChatKind, Origin
from userbot.importers.summary import ChatRow, ImportSummary


def test_totals_are_summed_over_the_chats() -> None:
    rows = tuple(
        ChatRow(Chat(id=number, kind=ChatKind.PRIVATE, title="A"), {Origin.OWNER: number, Origin.CONTACT: 10})
        for number in (1, 2)
    )
    summary = ImportSummary(
        format="telegram", owner_name=None, chats=rows, added=0, known=0, skipped={}, warnings=(), truncated_after=None
    )
    assert [row.total for row in rows] == [11, 12]
    assert summary.messages == 23
    assert summary.totals == {Origin.CONTACT: 20, Origin.OWNER: 3, Origin.CLONE: 0}
