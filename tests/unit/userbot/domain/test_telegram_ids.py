"""Marked ids say what they name; Telegram's own accounts are known."""

from __future__ import annotations

import pytest

from userbot.domain.telegram_ids import CHANNEL_MARK, FIRST_DERIVED_ID, LOGIN_CODES_ID, SERVICE_IDS, is_basic_group


@pytest.mark.parametrize(
    ("chat_id", "basic"),
    [(101, False), (-123, True), (CHANNEL_MARK - 1, False), (-1001234567890, False), (FIRST_DERIVED_ID, False)],
)
def test_basic_groups_are_told_from_users_and_channels(chat_id: int, basic: bool) -> None:
    assert is_basic_group(chat_id) is basic


def test_channels_are_marked_as_telegrams_clients_do() -> None:
    assert CHANNEL_MARK - 1234567890 == -1001234567890


def test_telegrams_own_accounts() -> None:
    assert LOGIN_CODES_ID == 777000
    assert {777000, 42777, 333000, 489000, 1271266957} == SERVICE_IDS
