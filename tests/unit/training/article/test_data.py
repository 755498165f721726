"""The article's `process_tg_data`, on exports as Telegram Desktop writes them."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import datasets
import pandas as pd
import pytest

import training
from training import process_tg_data
from training.article.data import parse_prompt
from userbot.demo.export import EXPORT_PATH, OWNER_NAME
from userbot.domain.errors import ConfigError, OwnerUnknownError, TooLittleDataError
from userbot.domain.messages import Turn

ME, ANN = ("Lev Sokolov", "user1"), ("Ann Lee", "user2")
Row = dict[str, Any]


def row(number: int, sender: tuple[str, str], text: object, *, minute: int | None = None, **more: object) -> Row:
    stamp = 1_760_000_000 + 60 * (number if minute is None else minute)
    return {
        "id": number,
        "type": "message",
        "date": "2025-10-09T08:53:20",
        "date_unixtime": str(stamp),
        "from": sender[0],
        "from_id": sender[1],
        "text": text,
        **more,
    }


def chat(rows: list[Row], number: int = 2, kind: str = "personal_chat") -> Row:
    return {"name": "Ann", "type": kind, "id": number, "messages": rows}


def write(tmp_path: Path, content: Row) -> Path:
    path = tmp_path / "result.json"
    path.write_text(json.dumps(content, ensure_ascii=False, indent=1), encoding="utf-8")
    return path


def account(*chats: Row) -> Row:
    return {"about": "", "personal_information": {"user_id": 1, "first_name": "Lev"}, "chats": {"list": list(chats)}}


def prompts(path: Path, user: str | None = ME[0]) -> list[str]:
    return list(process_tg_data(file_path=path, user=user)["prompt"])


def test_merged_messages_come_in_groups_of_five_and_the_tail_is_kept(tmp_path: Path) -> None:
    rows = [row(2 * i + k, (ANN, ME)[i % 2], f"{i}.{k}") for i in range(8) for k in range(2)]
    assert prompts(write(tmp_path, account(chat(rows)))) == [
        "User: 0.0\n0.1\nClone: 1.0\n1.1\nUser: 2.0\n2.1\nClone: 3.0\n3.1\nUser: 4.0\n4.1",
        "Clone: 5.0\n5.1\nUser: 6.0\n6.1\nClone: 7.0\n7.1",
    ]


def test_a_rest_without_the_owner_stays_with_the_group_before(tmp_path: Path) -> None:
    rows = [row(i, (ME, ANN)[i % 2], f"m{i}") for i in range(6)]
    assert prompts(write(tmp_path, account(chat(rows)))) == [
        "Clone: m0\nUser: m1\nClone: m2\nUser: m3\nClone: m4\nUser: m5"
    ]


def test_single_chat_export_is_read(tmp_path: Path) -> None:
    path = write(tmp_path, chat([row(1, ANN, "hi"), row(2, ME, "hey")]))
    assert prompts(path) == ["User: hi\nClone: hey"]
    assert prompts(path, None) == ["User: hi\nClone: hey"]


def test_groups_do_not_reach_over_chats_or_silence(tmp_path: Path) -> None:
    first = chat([row(1, ANN, "a"), row(2, ME, "b"), row(3, ANN, "c", minute=9000), row(4, ME, "d", minute=9001)])
    second = chat([row(5, ("Bob", "user3"), "e"), row(6, ME, "f")], 3)
    assert prompts(write(tmp_path, account(first, second))) == [
        "User: a\nClone: b",
        "User: c\nClone: d",
        "User: e\nClone: f",
    ]


def test_formatted_text_is_plain_and_rows_without_words_are_skipped(tmp_path: Path) -> None:
    rows = [
        {"id": 1, "type": "service", "date": "2025-10-09T08:53:20", "action": "phone_call", "text": ""},
        row(2, ANN, ["see ", {"type": "bold", "text": "this"}]),
        row(3, ANN, "", media_type="sticker", sticker_emoji="😀", file="s.webp"),
        row(4, ME, "nice", photo="p.jpg"),
        row(5, ME, "not my words", forwarded_from="Somebody"),
        row(6, ME, "nor these", via_bot="@gif"),
    ]
    assert prompts(write(tmp_path, account(chat(rows)))) == ["User: see this\nClone: nice"]


def test_channels_and_saved_messages_are_left_out(tmp_path: Path) -> None:
    chats = [
        chat([row(1, ME, "note to self")], 1, "saved_messages"),
        chat([row(2, ANN, "hi"), row(3, ME, "hey")]),
        chat([row(4, ME, "post")], 9, "private_channel"),
    ]
    assert prompts(write(tmp_path, account(*chats))) == ["User: hi\nClone: hey"]


def test_unknown_user_lists_the_senders_with_their_counts(tmp_path: Path) -> None:
    path = write(tmp_path, account(chat([row(1, ANN, "a"), row(2, ME, "b"), row(3, ME, "c")])))
    with pytest.raises(OwnerUnknownError) as raised:
        process_tg_data(path, "Nobody")
    text = str(raised.value)
    assert "'Nobody'" in text
    assert "user=" in text
    assert "Lev Sokolov" in text and "2" in text.partition("Lev Sokolov")[2]
    assert "--me" not in text


def test_export_without_the_owner_s_words_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path, account(chat([row(1, ANN, "a")])))
    with pytest.raises(TooLittleDataError) as raised:
        process_tg_data(path, None)
    assert str(raised.value) == (
        f"{path} holds no text of the owner's in a chat with people. Export personal chats as JSON, or give the "
        f"owner's name as `user`."
    )


def test_formats_are_a_dataset_and_a_dataframe() -> None:
    dataset = process_tg_data(file_path=str(EXPORT_PATH), user=OWNER_NAME, output_format="dataset")
    frame = process_tg_data(file_path=str(EXPORT_PATH), user=OWNER_NAME, output_format="dataframe")
    assert isinstance(dataset, datasets.Dataset)
    assert isinstance(frame, pd.DataFrame)
    assert dataset.column_names == list(frame.columns) == ["prompt"]
    assert list(dataset["prompt"]) == list(frame["prompt"])
    assert len(frame) > 100
    assert all(text.startswith(("User: ", "Clone: ")) and "Clone: " in text for text in frame["prompt"])


def test_unknown_output_format_is_refused() -> None:
    with pytest.raises(ConfigError) as raised:
        process_tg_data(EXPORT_PATH, OWNER_NAME, "parquet")  # type: ignore[call-overload]  # the mistake is the point
    assert str(raised.value) == "Unknown output_format 'parquet': give 'dataset' or 'dataframe'."


def test_prompt_is_read_back_into_turns(tmp_path: Path) -> None:
    rows = [row(1, ANN, "two\nlines"), row(2, ANN, "Clone: no"), row(3, ME, "hey"), row(4, ME, "you")]
    (text,) = prompts(write(tmp_path, account(chat(rows))))
    assert parse_prompt(text) == (Turn(False, ("two\nlines", "Clone: no")), Turn(True, ("hey", "you")))
    assert parse_prompt("Как дела?") == (Turn(False, ("Как дела?",)),)


def test_package_loads_nothing_heavy_and_knows_its_names() -> None:
    code = "import sys, training; sys.exit(int(any(m in sys.modules for m in ('torch', 'transformers', 'pandas'))))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
    assert set(training.__all__) <= set(dir(training))
    with pytest.raises(AttributeError):
        training.nothing_of_the_kind  # noqa: B018 - the access is what is tested
