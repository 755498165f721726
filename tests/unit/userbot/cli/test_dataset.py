"""Commands on the data set: counts, samples to read, and files for other tools."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from command_line import Clone
from fakes import START, bubble

from userbot.domain.errors import ConfigError, ConsentError, TooLittleDataError
from userbot.domain.messages import Chat, ChatKind, Origin
from userbot.store import Store


@pytest.fixture
def chats(store: Store, friend: Chat) -> None:
    """A conversation that may be trained on, and one that may not."""
    store.consents.give(friend.id, by="Vera")
    store.chats.save([Chat(id=5, kind=ChatKind.PRIVATE, title="Ann")])
    day_s = 86_400.0
    for number in range(1, 25):
        at_s = number * day_s
        store.messages.add(
            [
                bubble(2 * number, f"question {number}", at_s=at_s),
                bubble(2 * number + 1, f"answer {number}", origin=Origin.OWNER, at_s=at_s + 60),
            ]
        )
    store.messages.add([bubble(1, "hi", chat_id=5)])
    assert START.tzinfo is not None


@pytest.mark.usefixtures("chats")
def test_stats_say_what_a_training_would_learn_from_and_what_it_lacks(clone: Clone) -> None:
    out = clone("dataset", "stats", "--base", "tiny")
    assert "For training: " in out and "of your turns in" in out
    assert "Too little to train on: at least 40 turns are needed (data.min_turns)." in out
    assert "chats without consent: 1" in out
    [row] = [line for line in out.splitlines() if "Ann" in line]
    assert "without consent" in row and "chats without" not in row


@pytest.mark.usefixtures("chats")
def test_preview_marks_the_supervised_words(clone: Clone) -> None:
    out = clone("dataset", "preview", "-n", "1", "--base", "tiny")
    assert "⟦" in out and "answer" in out.split("⟦")[1].split("⟧")[0]
    assert out.count("────") == 1


@pytest.mark.usefixtures("chats")
def test_export_writes_messages_for_other_tools(clone: Clone, tmp_path: Path) -> None:
    path = tmp_path / "mine.jsonl"
    assert clone("dataset", "export", str(path), "--base", "tiny").startswith(f"Written: {path}")
    first = json.loads(path.read_text("utf-8").splitlines()[0])
    assert {message["role"] for message in first["messages"]} >= {"user", "assistant"}
    assert path.stat().st_mode & 0o777 == 0o600


def test_export_to_another_kind_of_file_is_refused_at_once(clone: Clone, tmp_path: Path) -> None:
    (tmp_path / "mine.txt").touch()
    with pytest.raises(ConfigError):
        clone("dataset", "export", str(tmp_path / "mine.txt"))


def test_without_any_consent_there_is_no_data_set(clone: Clone, store: Store, friend: Chat) -> None:
    with pytest.raises(ConsentError):
        clone("dataset", "stats", "--base", "tiny")


@pytest.mark.usefixtures("chats")
def test_preview_says_what_is_left_out_and_masked_and_shows_only_placeholders(clone: Clone, store: Store) -> None:
    store.messages.add(
        [
            bubble(100, "дай номер сантехника и скажи когда он сможет прийти", at_s=3600.0),
            bubble(101, "вот его номер 89161234567, приходит по вечерам в будни", origin=Origin.OWNER, at_s=3660.0),
            bubble(102, "in the hospital", at_s=3720.0),
        ]
    )
    clone("dataset", "exclude", "--word", "hospital")
    out = clone("dataset", "preview", "--base", "tiny")
    assert "Masked: [phone] 1" in out and "вот его номер [phone]" in out and "89161234567" not in out
    assert "messages that you excluded: 1" in out
    counts = json.loads(clone("dataset", "preview", "--base", "tiny", "--json"))
    assert counts["masked"] == {"phone": 1}
    assert counts["left_out"]["messages that you excluded"] == 1
    assert "answer" not in json.dumps(counts) and "Ann" not in json.dumps(counts)


@pytest.mark.usefixtures("chats")
def test_excluded_chat_is_left_out_whole(clone: Clone, friend: Chat) -> None:
    clone("dataset", "exclude", "--chat", str(friend.id))
    with pytest.raises(TooLittleDataError):
        clone("dataset", "stats", "--base", "tiny")
