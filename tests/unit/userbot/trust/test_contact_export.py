"""Tests of showing a contact what is stored about them."""

from __future__ import annotations

import json
import stat
import zipfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from fakes import START, bubble

from userbot.config.home import HomePaths
from userbot.domain.errors import ConfigError
from userbot.domain.messages import Chat, ChatKind, Origin
from userbot.store import Store
from userbot.store.decisions import Bubble, Decision, ReplyState
from userbot.store.facts import EXPORTS
from userbot.trust.contact_export import DATA, NOTE, Place, export_contact, find_places

VERA = Chat(id=101, kind=ChatKind.PRIVATE, title="Vera", access_hash=987654321)
HIKE = Chat(id=-5, kind=ChatKind.GROUP, title="Hike")


@pytest.fixture
def paths(store: Store, tmp_path: Path) -> HomePaths:
    store.chats.save([VERA, HIKE])
    store.messages.add([bubble(1, "to you"), bubble(2, "mine", origin=Origin.OWNER)])
    for number, sender, text in ((1, 101, "in the group"), (2, 102, "by another"), (3, 101, "again")):
        said = replace(bubble(number, text, chat_id=-5), sender_id=sender, sender_name=f"n{sender}")
        store.messages.add([said])
    store.consents.give(101, by="Vera, asked")
    for chat_id, trigger in ((101, 1), (-5, 1), (-5, 2)):
        decision = Decision(chat_id=chat_id, trigger_id=trigger, state=ReplyState.QUEUED, context_ids=(1,))
        store.replies.decide(decision, [Bubble(text="x", random_id=trigger * 7 + chat_id, due_at=START)])
    store.withheld.add(101, 1, kind="elsewhere", text="the secret of another")
    return HomePaths(tmp_path / "home")


def read(path: Path) -> tuple[dict[str, Any], str]:
    with zipfile.ZipFile(path) as archive:
        return json.loads(archive.read(DATA)), archive.read(NOTE).decode()


def test_the_archive_holds_their_chat_what_they_wrote_in_groups_and_nobody_elses_words(
    store: Store, paths: HomePaths, tmp_path: Path
) -> None:
    target = tmp_path / "about.zip"
    assert export_contact(store, paths, find_places(store, 101), target, owner="Lev") == 4
    content, note = read(target)
    assert [one["text"] for one in content["messages"]] == ["in the group", "again", "to you", "mine"]
    assert [(one["chat_id"], one["to_message"]) for one in content["answers"]] == [(-5, 1), (101, 1)]
    assert content["consents"][0]["given_by"] == "Vera, asked"
    assert content["answers_withheld"] == {"101": 1}
    assert "Lev uses a program" in note and "Что о вас хранится" in note
    whole = json.dumps(content)
    assert not any(word in whole for word in ("by another", "n102", "the secret of another", "987654321"))
    assert stat.S_IMODE(target.stat().st_mode) == 0o600


def test_the_archive_is_known_to_forgetting_and_overwrites_nothing(
    store: Store, paths: HomePaths, tmp_path: Path
) -> None:
    target = tmp_path / "about.zip"
    export_contact(store, paths, [Place(VERA)], target, owner="Lev")
    assert [(one.path, one.chat_ids) for one in store.facts.get(EXPORTS) or ()] == [(str(target), (101,))]
    with pytest.raises(ConfigError, match="--to"):
        export_contact(store, paths, [Place(VERA)], target, owner="Lev")


def test_nobody_known_has_no_places(store: Store, paths: HomePaths) -> None:
    assert find_places(store, 555) == []
