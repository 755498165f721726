"""Marked ids say what they name, and whether its messages share the account's numbering."""

from __future__ import annotations

import pytest

from userbot.domain.telegram_ids import (
    FIRST_DERIVED_ID,
    LOGIN_CODES_ID,
    SERVICE_IDS,
    is_basic_group,
    mark_basic_group,
    mark_channel,
    shares_numbering,
)


def test_groups_and_channels_are_marked_as_telegrams_clients_do() -> None:
    assert mark_basic_group(123) == -123
    assert mark_channel(1234567890) == -1001234567890


@pytest.mark.parametrize(
    ("chat_id", "basic", "shared"),
    [
        (101, False, True),
        (mark_basic_group(123), True, True),
        (mark_channel(1), False, False),
        (mark_channel(10**12 - 1), False, False),
        (FIRST_DERIVED_ID, False, False),
        (FIRST_DERIVED_ID + 5, False, False),
    ],
)
def test_private_chats_and_basic_groups_share_one_numbering(chat_id: int, basic: bool, shared: bool) -> None:
    assert (is_basic_group(chat_id), shares_numbering(chat_id)) == (basic, shared)


def test_account_of_login_codes_is_a_service_account() -> None:
    assert LOGIN_CODES_ID in SERVICE_IDS
    assert all(0 < user_id < FIRST_DERIVED_ID for user_id in SERVICE_IDS)
