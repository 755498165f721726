"""Tests of finding the same chat from another source."""

from __future__ import annotations

from fakes import bubble

from userbot.domain.derived_ids import HTML_SOURCE
from userbot.domain.messages import Chat, ChatKind
from userbot.store import Store
from userbot.store.twins import find_twins


def test_a_chat_with_the_same_messages_from_pages_is_found_from_both_sides(store: Store) -> None:
    chat = Chat(id=101, kind=ChatKind.PRIVATE, title="Vera Orlova")
    page = Chat(id=2**61, kind=ChatKind.PRIVATE, title="Vera", source=HTML_SOURCE)
    other = Chat(id=2**61 + 1, kind=ChatKind.PRIVATE, title="Vera", source=HTML_SOURCE)
    named_alike = Chat(id=2**61 + 2, kind=ChatKind.PRIVATE, title="Vera", source="whatsapp")
    store.chats.save([chat, page, other, named_alike])
    store.messages.add([bubble(1, "a"), bubble(2, "b"), bubble(1, "a", chat_id=page.id)])
    store.messages.add([bubble(1, "a", chat_id=other.id, at_s=60), bubble(1, "a", chat_id=named_alike.id)])
    assert [(one.id, shared) for one, shared in find_twins(store, chat)] == [(page.id, 1)]
    assert [(one.id, shared) for one, shared in find_twins(store, page)] == [(101, 1)]
    assert find_twins(store, named_alike) == []
