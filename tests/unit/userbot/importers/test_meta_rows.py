"""Single rows of Instagram's and Messenger's threads."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from userbot.domain.messages import Chat, ChatKind, Message, Origin
from userbot.importers.meta_rows import convert_row, mend, read_sender
from userbot.importers.reading.names import MessageIds

CHAT = Chat(id=1, kind=ChatKind.PRIVATE, title="Anna")
GROUP = Chat(id=2, kind=ChatKind.GROUP, title="crew")


def row(**fields: Any) -> dict[str, Any]:
    return {"sender_name": "Anna", "timestamp_ms": 1_700_000_000_000, "content": "hi", **fields}


@pytest.mark.parametrize("field", ["timestamp_ms", "timestamp"])
@pytest.mark.parametrize("value", [1_518_000_000, 1_518_000_000_000])
def test_seconds_are_told_from_milliseconds(field: str, value: int) -> None:
    values = {name: entry for name, entry in row().items() if name != "timestamp_ms"}
    message = convert_row({**values, field: value}, CHAT, "Olga", MessageIds())
    assert isinstance(message, Message)
    assert message.sent_at == datetime(2018, 2, 7, 10, 40, tzinfo=UTC)


def test_a_row_is_a_message_of_its_sender() -> None:
    message = convert_row(row(), CHAT, "Olga", MessageIds())
    assert isinstance(message, Message)
    assert (message.text, message.origin, message.sender_name) == ("hi", Origin.CONTACT, None)
    assert message.sent_at == datetime(2023, 11, 14, 22, 13, 20, tzinfo=UTC)
    own = convert_row(row(), GROUP, "Anna", MessageIds())
    assert isinstance(own, Message)
    assert (own.origin, own.sender_name) == (Origin.OWNER, "Anna")


def test_rows_of_the_encrypted_archive_have_other_keys() -> None:
    encrypted = {"senderName": "Anna", "timestamp": 1_700_000_000_000, "text": "hi", "type": "text"}
    message = convert_row(encrypted, CHAT, "Olga", MessageIds())
    assert isinstance(message, Message)
    assert (message.text, message.sent_at.year) == ("hi", 2023)


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"sender_name": ""}, "row without a sender"),
        ({"timestamp_ms": "soon"}, "row without a time"),
        ({"timestamp_ms": 10**30}, "row without a time"),
        ({"timestamp_ms": True}, "row without a time"),
        ({"is_unsent": True}, "deleted message"),
        ({"call_duration": 7}, "service message"),
        ({"type": "Call"}, "service message"),
        ({"content": "Liked a message"}, "reaction"),
        ({"content": "Reacted 😀 to your message"}, "reaction"),
        ({"content": ""}, "empty message"),
        ({"content": 7}, "empty message"),
    ],
)
def test_what_is_no_message_says_why(fields: dict[str, Any], reason: str) -> None:
    assert convert_row(row(**fields), CHAT, "Olga", MessageIds()) == reason


def test_what_the_app_writes_about_an_attachment_is_no_text() -> None:
    message = convert_row(row(content="Anna sent a photo.", photos=[{"uri": "x"}]), CHAT, "Olga", MessageIds())
    assert isinstance(message, Message)
    assert (message.text, message.media) == ("", "[photo]")


def test_broken_encoding_is_mended_and_whole_text_stays() -> None:
    assert mend("привет 😀".encode().decode("latin-1")) == "привет 😀"
    assert mend("привет") == "привет"
    assert mend("naïve") == "naïve"
    assert mend(None) == ""
    assert read_sender(["no row"]) == ""


@pytest.mark.parametrize(
    "text",
    [
        "Anna missed your call.",
        "Anna created the poll: where?",
        "Anna changed the theme to Sunset.",
        "You missed a call",
    ],
)
def test_notices_of_messenger_are_no_words(text: str) -> None:
    assert convert_row(row(content=text), CHAT, "Olga", MessageIds()) == "notice of the app"


@pytest.mark.parametrize("text", ["Anna", "You changed the date?", "we named the group", "Anna is here"])
def test_words_that_begin_like_notices_are_words(text: str) -> None:
    message = convert_row(row(content=text), CHAT, "Olga", MessageIds())
    assert isinstance(message, Message) and message.text == text


def test_mark_of_an_edit_is_cut_off() -> None:
    message = convert_row(row(content="Last year (edited)"), CHAT, "Olga", MessageIds())
    assert isinstance(message, Message) and message.text == "Last year"
