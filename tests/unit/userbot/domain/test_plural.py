"""Numbers with their nouns."""

from __future__ import annotations

import pytest

from userbot.domain.plural import format_count


@pytest.mark.parametrize(
    ("count", "noun", "expected"),
    [
        (1, "chat", "1 chat"),
        (0, "chat", "0 chats"),
        (2974, "message", "2,974 messages"),
        (2, "row without a time", "2 rows without a time"),
        (1, "row without a time", "1 row without a time"),
        (3, "row of a chat of an unknown kind", "3 rows of a chat of an unknown kind"),
        (2, "reply", "2 replies"),
        (2, "day", "2 days"),
        (2, "session", "2 sessions"),
        (2, "batch", "2 batches"),
    ],
)
def test_noun_agrees_with_its_number(count: int, noun: str, expected: str) -> None:
    assert format_count(count, noun) == expected
