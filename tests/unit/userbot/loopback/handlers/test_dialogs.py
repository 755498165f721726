"""The list of chats, and an account's view of each."""

from __future__ import annotations

from typing import Any

import pytest
from loopback_bench import Bench, Device
from telethon.tl import functions, types

from userbot.loopback.world.actions import Outgoing

messages = functions.messages


def peer_of(bench: Bench, name: str = "Vera") -> Any:
    user = next(user for user in bench.world.users.values() if user.first_name == name)
    return types.InputPeerUser(user.user_id, user.access_hash)


def listed(phone: Device, **changes: Any) -> Any:
    fields = {"offset_date": None, "offset_id": 0, "offset_peer": types.InputPeerEmpty(), "limit": 100, "hash": 0}
    return phone.call(messages.GetDialogsRequest(**{**fields, **changes}))


@pytest.fixture
def names(bench: Bench) -> list[str]:
    """Three people who wrote, the last one last."""
    people = ["Anna", "Boris", "Vera"]
    for name in people:
        user = bench.vera if name == "Vera" else bench.add_user(name)
        bench.actions.send(user, bench.owner.user_id, Outgoing(f"from {name}"))
    return people


def test_chats_come_newest_first_and_pinned_ones_before_them(bench: Bench, phone: Device, names: list[str]) -> None:
    assert [message.message for message in listed(phone).messages] == ["from Vera", "from Boris", "from Anna"]
    phone.call(messages.ToggleDialogPinRequest(types.InputDialogPeer(peer_of(bench, "Anna")), pinned=True))
    assert [message.message for message in listed(phone).messages] == ["from Anna", "from Vera", "from Boris"]
    pinned = phone.call(messages.GetPinnedDialogsRequest(0))
    assert [message.message for message in pinned.messages] == ["from Anna"]
    rest = listed(phone, exclude_pinned=True)
    assert [message.message for message in rest.messages] == ["from Vera", "from Boris"]


def test_the_list_is_paged_by_date(phone: Device, names: list[str]) -> None:
    first = listed(phone, limit=2)
    assert (type(first), first.count) == (types.messages.DialogsSlice, 3)
    last = first.messages[-1]
    rest = listed(phone, limit=2, offset_date=last.date, offset_id=last.id)
    assert [message.message for message in rest.messages] == ["from Anna"]
    assert listed(phone, folder_id=1).dialogs == []


def test_a_chat_shows_what_is_unread_and_its_draft(bench: Bench, phone: Device, names: list[str]) -> None:
    asked = messages.GetPeerDialogsRequest([types.InputDialogPeer(peer_of(bench))])
    (before,) = phone.call(asked).dialogs
    assert (before.unread_count, before.read_inbox_max_id, before.draft) == (1, 0, None)
    phone.call(messages.SaveDraftRequest(peer_of(bench), "hm"))
    phone.call(messages.ReadHistoryRequest(peer_of(bench), 0))
    (after,) = phone.call(asked).dialogs
    assert (after.unread_count, after.read_inbox_max_id, after.draft.message) == (0, 3, "hm")


def test_all_drafts_come_as_updates(bench: Bench, phone: Device) -> None:
    phone.call(messages.SaveDraftRequest(peer_of(bench), "hm"))
    (update,) = phone.call(messages.GetAllDraftsRequest()).updates
    assert (update.peer.user_id, update.draft.message) == (bench.vera.user_id, "hm")


def test_typing_is_shown_to_the_contact(bench: Bench, phone: Device, veras: Device) -> None:
    phone.call(messages.SetTypingRequest(peer_of(bench), types.SendMessageTypingAction()))
    assert [update.user_id for update in veras.updates(types.UpdateUserTyping)] == [bench.owner.user_id]
