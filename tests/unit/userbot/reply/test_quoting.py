"""Which message each bubble quotes."""

from __future__ import annotations

from fakes import bubble

from userbot.domain.messages import Chat, ChatKind
from userbot.reply.quoting import pick_quotes

FRIEND = Chat(id=101, kind=ChatKind.PRIVATE, title="Vera")
GROUP = Chat(id=-55, kind=ChatKind.GROUP, title="Hike")


def test_several_questions_are_answered_one_by_one() -> None:
    burst = [bubble(1, "coming?"), bubble(2, "by car"), bubble(3, "with Ann?")]
    assert pick_quotes(FRIEND, burst, 2) == [1, 3]
    assert pick_quotes(FRIEND, burst, 1) == [None]
    assert pick_quotes(FRIEND, burst[:2], 1) == [None]


def test_group_quotes_the_newest() -> None:
    assert pick_quotes(GROUP, [bubble(1, "a"), bubble(2, "b?")], 2) == [2, None]
