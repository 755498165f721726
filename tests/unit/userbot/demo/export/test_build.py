"""The example export of the demo: in step with its dialogues, large enough, and in one recognisable style."""

import json
import re
from datetime import datetime
from itertools import groupby, pairwise
from typing import Any

import pytest

from userbot.demo.export import (
    EXPORT_PATH,
    FRIEND_BURST,
    FRIEND_ID,
    FRIEND_NAME,
    OWNER_ID,
    OWNER_NAME,
    PROMPTS,
    STRANGER_NAME,
)
from userbot.demo.export.build import render_export

OWNER = f"user{OWNER_ID}"


@pytest.fixture(scope="module")
def chats() -> list[dict[str, Any]]:
    export = json.loads(EXPORT_PATH.read_text(encoding="utf-8"))
    listed: list[dict[str, Any]] = export["chats"]["list"]
    return listed


@pytest.fixture(scope="module")
def personal(chats: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [chat for chat in chats if chat["type"] == "personal_chat"]


def owner_texts(chats: list[dict[str, Any]]) -> list[str]:
    rows = (row for chat in chats for row in chat["messages"] if row.get("from_id") == OWNER)
    return [plain_text(row) for row in rows if "forwarded_from" not in row and plain_text(row)]


def plain_text(row: dict[str, Any]) -> str:
    return "".join(entity["text"] for entity in row["text_entities"])


def test_committed_file_is_what_the_dialogues_give() -> None:
    assert EXPORT_PATH.read_text(encoding="utf-8") == render_export()


def test_owner_speaks_often_and_in_many_chats(personal: list[dict[str, Any]]) -> None:
    turns = {
        chat["id"]: sum(side == OWNER for side, _ in groupby(row.get("from_id") for row in chat["messages"]))
        for chat in personal
    }
    assert len(turns) >= 6
    assert sum(turns.values()) >= 700
    assert min(turns.values()) >= 30


def test_owner_speaks_both_languages(personal: list[dict[str, Any]]) -> None:
    texts = owner_texts(personal)
    russian = sum(bool(re.search("[а-яё]", text)) for text in texts)
    english = sum(bool(re.search("[a-z]", text)) for text in texts)
    assert min(russian, english) >= 400
    assert not [text for text in texts if re.search("[а-яё]", text) and re.search("[a-z]", text)]


def test_every_line_of_the_owner_keeps_the_style(chats: list[dict[str, Any]]) -> None:
    texts = owner_texts(chats)
    assert [text for text in texts if text != text.lower()] == []
    assert [text for text in texts if text.endswith(".")] == []
    assert [text for text in texts if len(text.split()) > 8] == []


def test_contacts_do_not_write_like_the_owner(personal: list[dict[str, Any]]) -> None:
    contact = [row for chat in personal for row in chat["messages"] if row.get("from_id") not in (None, OWNER)]
    assert not [plain_text(row) for row in contact if ")))" in plain_text(row)]


def test_rows_are_in_time_order_with_ids_of_one_account(chats: list[dict[str, Any]]) -> None:
    for chat in chats:
        for earlier, later in pairwise(chat["messages"]):
            assert int(earlier["date_unixtime"]) <= int(later["date_unixtime"])
            assert earlier["id"] < later["id"]
    ids = [row["id"] for chat in chats for row in chat["messages"]]
    assert len(ids) == len(set(ids))


def test_sessions_are_spread_over_a_year(chats: list[dict[str, Any]]) -> None:
    dates = [datetime.fromisoformat(row["date"]) for chat in chats for row in chat["messages"]]
    assert (max(dates) - min(dates)).days >= 365


def test_export_holds_the_shapes_that_importers_must_tell_apart(chats: list[dict[str, Any]]) -> None:
    assert {chat["type"] for chat in chats} == {"personal_chat", "bot_chat", "private_group", "saved_messages"}
    rows = [row for chat in chats for row in chat["messages"]]
    keys = {key for row in rows for key in row}
    assert {"photo", "sticker_emoji", "edited_unixtime", "reply_to_message_id", "forwarded_from", "action"} <= keys
    assert {row.get("media_type") for row in rows} == {None, "sticker", "voice_message"}
    assert any(isinstance(row["text"], list) for row in rows)
    group = next(chat for chat in chats if chat["type"] == "private_group")
    assert {row["from_id"] for row in group["messages"]} == {OWNER}


def test_reply_points_at_an_earlier_row_of_the_same_chat(chats: list[dict[str, Any]]) -> None:
    for chat in chats:
        ids = {row["id"] for row in chat["messages"]}
        for row in chat["messages"]:
            target = row.get("reply_to_message_id", row["id"])
            assert target in ids
            assert target <= row["id"]


def test_named_people_are_those_of_the_export(chats: list[dict[str, Any]]) -> None:
    names = {(row["from_id"], row["from"]) for chat in chats for row in chat["messages"] if "from" in row}
    assert (OWNER, OWNER_NAME) in names
    assert (f"user{FRIEND_ID}", FRIEND_NAME) in names
    assert STRANGER_NAME not in {name for _, name in names}


def test_prompts_are_held_out(chats: list[dict[str, Any]]) -> None:
    texts = {plain_text(row).casefold() for chat in chats for row in chat["messages"]}
    assert not {text.casefold() for _, text in PROMPTS} & texts
    assert "\n".join(FRIEND_BURST).casefold() not in {
        "\n".join(plain_text(row) for row in burst).casefold()
        for chat in chats
        for _, burst in groupby(chat["messages"], key=lambda row: row.get("from_id"))
    }
