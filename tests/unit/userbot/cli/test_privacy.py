"""Tests of the commands that forget."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pytest
from command_line import Clone
from fakes import bubble

from userbot.domain.errors import ChatNotFoundError, ConfigError
from userbot.domain.messages import Chat, ChatKind
from userbot.store import Store
from userbot.store.facts import DAEMON, KEEP_DAYS, OWN_DRAFTS, DaemonState


@pytest.fixture(autouse=True)
def vera(store: Store) -> Chat:
    chat = Chat(id=101, kind=ChatKind.PRIVATE, title="Vera Orlova", username="vera")
    store.chats.save([chat, Chat(id=-5, kind=ChatKind.GROUP, title="Hike")])
    store.messages.add([bubble(1, "secret plum"), bubble(2, "more")])
    store.messages.add(
        replace(bubble(number, "hi", chat_id=-5, at_s=number), sender_id=sender, sender_name=f"n{sender}")
        for number, sender in ((1, 7), (2, 8))
    )
    return chat


def test_forgetting_asks_and_says_what_went(clone: Clone, store: Store, home: Path) -> None:
    out = clone("forget", "Vera Orlova", answers="y\n")
    assert "2 messages in Vera Orlova (id 101, @vera" in clone.err
    assert "Chat 101 is forgotten: 2 messages deleted" in out and "Vera" not in out
    assert store.chats.get(101) is None
    assert b"plum" not in b"".join(path.read_bytes() for path in home.rglob("*") if path.is_file())


@pytest.mark.parametrize("answers", ["n\n", None])
def test_without_a_yes_nothing_is_deleted(clone: Clone, store: Store, answers: str | None) -> None:
    with pytest.raises(ConfigError, match="Nothing was deleted"):
        clone("forget", "101", answers=answers)
    assert len(store.messages.window(101, limit=9)) == 2


def test_one_member_of_a_group_is_forgotten_and_comes_back(clone: Clone, store: Store) -> None:
    assert "1 message" in clone("forget", "-5", "--member", "n7", "--yes")
    assert [one.sender_id for one in store.messages.window(-5, limit=9)] == [8]
    clone("forget", "--undo", "-5", "--member", "7")
    assert store.tombstones.all() == []


@pytest.mark.parametrize("name", ["101", "Vera Orlova"])
def test_undo_by_id_or_by_the_title_that_exports_have(clone: Clone, store: Store, name: str) -> None:
    clone("forget", "101", "--yes")
    assert clone("forget", "--list").startswith("101: ")
    assert "may come back" in clone("forget", "--undo", name)
    assert clone("forget", "--list") == "Nothing is forgotten.\n" and store.tombstones.all() == []


def test_undo_of_what_is_not_forgotten_says_so(clone: Clone) -> None:
    with pytest.raises(ChatNotFoundError, match="forget --list"):
        clone("forget", "--undo", "Boris")


def test_a_name_is_needed(clone: Clone) -> None:
    with pytest.raises(ConfigError, match="Name a chat"):
        clone("forget")


def test_a_draft_at_telegram_waits_for_the_daemon(clone: Clone, store: Store) -> None:
    store.facts.set(OWN_DRAFTS, {101: "a draft"})
    assert "A draft of the clone is still there" in clone("forget", "101", "-y")
    assert store.facts.get(OWN_DRAFTS) == {}


def test_a_forgotten_chat_that_is_let_in_again_starts_empty(clone: Clone, store: Store, vera: Chat) -> None:
    clone("forget", "101", "--yes")
    store.chats.save([vera])
    chat = store.chats.get(101)
    assert chat is not None and (chat.mode, chat.consent_at, chat.prompt_names) == ("off", None, ())
    assert store.messages.add([bubble(1, "secret plum")]) == 0
    assert store.messages.add([replace(bubble(3, "new"), sent_at=store.clock())]) == 1


def test_a_chat_is_kept_for_a_time_of_its_own(clone: Clone, store: Store) -> None:
    assert "is kept: 30 days" in clone("keep", "101", "--days", "30")
    clone("keep", "-5", "--forever")
    assert store.facts.get(KEEP_DAYS) == {101: 30, -5: 0}
    clone("keep", "101", "--default")
    assert store.facts.get(KEEP_DAYS) == {-5: 0}


@pytest.mark.parametrize("options", [[], ["--forever", "--days", "3"]])
def test_one_time_must_be_said(clone: Clone, options: list[str]) -> None:
    with pytest.raises(ConfigError, match="--days N, --forever, --default"):
        clone("keep", "101", *options)


@pytest.mark.parametrize(
    ("arguments", "count"),
    [(["101"], "2 messages"), (["Vera Orlova"], "2 messages"), (["n7", "--in", "Hike"], "1 message")],
)
def test_a_contacts_data_is_written_for_them(clone: Clone, tmp_path: Path, arguments: list[str], count: str) -> None:
    assert count in clone("export-me", *arguments, "--to", str(tmp_path / "about.zip"))
    assert (tmp_path / "about.zip").is_file()


def test_a_whole_group_is_nobodys_data(clone: Clone) -> None:
    with pytest.raises(ConfigError, match="clone export-me PERSON --in"):
        clone("export-me", "Hike")


def test_forgetting_deletes_what_was_written_for_the_contact(clone: Clone, tmp_path: Path) -> None:
    clone("export-me", "101", "--to", str(tmp_path / "about.zip"))
    assert "1 exported file" in clone("forget", "101", "--yes")
    assert not (tmp_path / "about.zip").exists()


def test_a_dry_purge_deletes_nothing(clone: Clone, home: Path) -> None:
    out = clone("purge", "--dry-run")
    assert "clone.db" in out and (home / "clone.db").exists()


def test_purging_asks_for_the_word_and_names_what_stays(clone: Clone, home: Path, store: Store) -> None:
    (home / "notes.txt").write_text("mine")
    with pytest.raises(ConfigError, match="Nothing was deleted"):
        clone("purge", answers="yes\n")
    assert (home / "clone.db").exists()
    out = clone("purge", answers="delete\n")
    assert "notes.txt" in out and [path.name for path in home.iterdir()] == ["notes.txt"]


def test_nothing_is_purged_under_a_running_daemon(clone: Clone, home: Path, store: Store) -> None:
    now = store.clock()
    store.facts.set(DAEMON, DaemonState(state="connected", since=now, beat_at=now, pid=os.getpid()))
    with pytest.raises(ConfigError, match="daemon runs"):
        clone("purge", "--yes")
    assert (home / "clone.db").exists()
