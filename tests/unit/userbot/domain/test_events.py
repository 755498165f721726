"""Events: the daemon's only input, as values."""

from __future__ import annotations

from dataclasses import FrozenInstanceError
from typing import get_args

import pytest
from fakes import bubble

from userbot.domain import events
from userbot.domain.events import Arrived, Deleted, Event
from userbot.domain.messages import Chat, ChatKind


def test_event_is_every_kind_of_event() -> None:
    kinds = {kind for kind in vars(events).values() if isinstance(kind, type) and kind.__module__ == events.__name__}
    assert set(get_args(Event)) == kinds


def test_events_are_equal_by_value_and_do_not_change() -> None:
    arrived = [Arrived(chat=Chat(id=1, kind=ChatKind.PRIVATE, title="Vera"), message=bubble(1, "hi")) for _ in range(2)]
    assert arrived[0] == arrived[1]
    assert not (arrived[0].mentions_owner or arrived[0].automatic)
    with pytest.raises(FrozenInstanceError):
        arrived[0].automatic = True  # type: ignore[misc]  # the point of it


def test_deletion_need_not_name_its_chat() -> None:
    assert Deleted(message_ids=(1, 2)).chat_id is None
