"""Looking at withheld answers, and building the guard's index anew."""

from __future__ import annotations

from command_line import Clone
from fakes import bubble

from userbot.domain.messages import Chat
from userbot.store import Store


def test_withheld_answers_are_shown_with_their_words(clone: Clone, store: Store, friend: Chat) -> None:
    assert "No answer was withheld" in clone("held")
    store.withheld.add(friend.id, 1, kind="a name that only other chats hold", text="это [b]Бублик\nда")
    out = clone("held", str(friend.id))
    assert "Vera (101)" in out and "a name that only other chats hold" in out
    assert "[b]Бублик" in out and "\n  да" in out


def test_index_is_built_anew(clone: Clone, store: Store, friend: Chat) -> None:
    store.messages.add([bubble(1, "у нас Бублик", chat_id=friend.id), bubble(2, "да", chat_id=friend.id)])
    assert "2 messages indexed" in clone("reindex")
    assert store.disclosure.count_waiting(limit=9) == 0
