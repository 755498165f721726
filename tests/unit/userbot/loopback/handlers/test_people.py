"""Configuration, users and contacts by API request."""

from __future__ import annotations

from typing import Any

import pytest
from loopback_bench import Bench, Device
from telethon.tl import functions, types


def test_the_only_data_centre_is_this_server(phone: Device) -> None:
    config = phone.call(functions.help.GetConfigRequest())
    assert [(option.id, option.ip_address, option.port) for option in config.dc_options] == [(2, "127.0.0.1", 443)]
    assert phone.call(functions.help.GetNearestDcRequest()).nearest_dc == 2
    assert isinstance(phone.call(functions.help.GetAppConfigRequest(0)), types.help.AppConfig)


def test_users_are_shown_and_unknown_ones_come_back_empty(bench: Bench, phone: Device) -> None:
    known, unknown = types.InputUser(bench.vera.user_id, bench.vera.access_hash), types.InputUser(9, 1)
    answer = phone.call(functions.users.GetUsersRequest([known, unknown, types.InputUserSelf()]))
    assert [type(user) for user in answer] == [types.User, types.UserEmpty, types.User]
    full = phone.call(functions.users.GetFullUserRequest(known))
    assert (full.full_user.id, full.users[0].first_name) == (bench.vera.user_id, "Vera")


def test_contacts_are_those_that_the_account_has(bench: Bench, phone: Device) -> None:
    bench.owner.contacts.add(bench.vera.user_id)
    answer = phone.call(functions.contacts.GetContactsRequest(0))
    assert [(contact.user_id, contact.mutual) for contact in answer.contacts] == [(bench.vera.user_id, False)]


@pytest.mark.parametrize(
    ("request_", "peer"),
    [
        (functions.contacts.ResolveUsernameRequest("@Vera"), types.PeerUser(101)),
        (functions.contacts.ResolveUsernameRequest("news"), types.PeerChannel(600)),
        (functions.contacts.ResolvePhoneRequest("10000000002"), types.PeerUser(101)),
    ],
)
def test_people_and_channels_are_found_by_name_or_number(bench: Bench, phone: Device, request_: Any, peer: Any) -> None:
    bench.add_channel(bench.owner, username="news")
    assert phone.call(request_).peer == peer


@pytest.mark.parametrize(
    ("request_", "error"),
    [
        (functions.contacts.ResolveUsernameRequest("nobody"), "USERNAME_NOT_OCCUPIED"),
        (functions.contacts.ResolvePhoneRequest("19"), "PHONE_NOT_OCCUPIED"),
    ],
)
def test_unknown_names_and_numbers_are_refused(phone: Device, request_: Any, error: str) -> None:
    assert phone.call(request_).error_message == error


def test_groups_are_shown_with_their_members(bench: Bench, phone: Device) -> None:
    bench.add_group(bench.owner, bench.vera)
    chats = phone.call(functions.messages.GetChatsRequest([500, 501])).chats
    assert [chat.title for chat in chats] == ["Team"]
    full = phone.call(functions.messages.GetFullChatRequest(500))
    assert [member.user_id for member in full.full_chat.participants.participants] == [100, 101]
