"""Fixtures of the reply path."""

from __future__ import annotations

import pytest

from userbot.domain.messages import Chat, Mode
from userbot.store import Store


@pytest.fixture
def ally(store: Store, friend: Chat) -> Chat:
    """A friend whose chat is answered."""
    store.chats.set_mode(friend.id, Mode.AUTO)
    return friend
