"""What the owner typed in Saved Messages, and everything that only looks so."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from telethon.tl import types

from userbot.telegram.typed import is_typed

ME, VERA = 1, 101
AT = datetime(2026, 1, 5, 12, 0, tzinfo=UTC)
FORWARD = types.MessageFwdHeader(AT, from_id=types.PeerUser(VERA))


def raw(text: str = "/clone allow @vera", **fields: Any) -> Any:
    return types.Message(**{"id": 7, "peer_id": types.PeerUser(ME), "date": AT, "message": text, **fields})


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"out": True, "from_id": types.PeerUser(ME)},
        {"saved_peer_id": types.PeerUser(ME)},
        {"reply_to": types.MessageReplyHeader(reply_to_msg_id=5)},
        {"entities": [types.MessageEntityBotCommand(0, 6), types.MessageEntityMention(13, 5)]},
        {"entities": [types.MessageEntityCode(0, 18)]},
    ],
)
def test_plain_new_text_is_typed(fields: dict[str, Any]) -> None:
    assert is_typed(raw(**fields), ME)


@pytest.mark.parametrize(
    "fields",
    [
        {"fwd_from": FORWARD},
        {"fwd_from": types.MessageFwdHeader(AT, from_name="hidden author")},
        {"fwd_from": types.MessageFwdHeader(AT, saved_from_peer=types.PeerUser(VERA), saved_from_msg_id=3)},
        {"fwd_from": types.MessageFwdHeader(AT)},
        {"via_bot_id": 9},
        {"via_business_bot_id": 9},
        {"from_scheduled": True},
        {"offline": True},
        {"quick_reply_shortcut_id": 3},
        {"edit_date": AT},
        {"edit_date": AT, "edit_hide": True},
        {"media": types.MessageMediaPhoto()},
        {"media": types.MessageMediaWebPage(types.WebPageEmpty(1))},
        {"grouped_id": 4},
        {"saved_peer_id": types.PeerUser(VERA)},
        {"saved_peer_id": types.PeerUser(2666000)},
        {"entities": [types.MessageEntityUrl(0, 6)]},
        {"entities": [types.MessageEntityTextUrl(0, 6, "https://example.org")]},
        {"entities": [types.MessageEntityBlockquote(0, 6)]},
        {"reply_to": types.MessageReplyHeader(reply_to_msg_id=5, quote=True, quote_text="/clone")},
        {"reply_to": types.MessageReplyHeader(reply_to_msg_id=5, reply_to_peer_id=types.PeerUser(VERA))},
        {"reply_to": types.MessageReplyHeader(reply_from=FORWARD)},
        {"reply_to": types.MessageReplyStoryHeader(types.PeerUser(VERA), 3)},
    ],
)
def test_words_from_elsewhere_or_of_another_time_are_not(fields: dict[str, Any]) -> None:
    assert not is_typed(raw(**fields), ME)
