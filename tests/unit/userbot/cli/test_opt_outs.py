"""The owner's command alone undoes a member's wish for no bot."""

from __future__ import annotations

import pytest
from command_line import Clone

from userbot.domain.errors import ConfigError
from userbot.domain.messages import Chat, ChatKind
from userbot.store import Store
from userbot.trust.opt_out import leave_out, list_left_out


def test_member_is_listed_and_taken_in_again(clone: Clone, store: Store) -> None:
    store.chats.save([Chat(id=-300, kind=ChatKind.GROUP, title="Hike")])
    assert "nobody" in clone("chats", "opt-in", "Hike")
    leave_out(store, -300, 5)
    assert "Hike: 5" in clone("chats", "opt-in", "Hike")
    assert "5 is answered in Hike again" in clone("chats", "opt-in", "Hike", "5")
    assert list_left_out(store, -300) == ()


def test_member_who_never_asked_is_named_in_the_error(clone: Clone, store: Store) -> None:
    store.chats.save([Chat(id=-300, kind=ChatKind.GROUP, title="Hike")])
    with pytest.raises(ConfigError, match="7 did not ask for no bot in Hike; nobody did"):
        clone("chats", "opt-in", "Hike", "7")
