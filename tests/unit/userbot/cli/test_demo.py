"""`clone demo`: it works in a folder of its own, and is not changed by the settings of a real clone.

The conversation at its end is tested in tests/unit/userbot/demo/test_scene.py.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from userbot.cli.demo import MARK, import_example, prepare_home
from userbot.config.settings import load_settings
from userbot.demo.export import EXPORT_PATH, FRIEND_ID
from userbot.domain.errors import ConfigError
from userbot.domain.messages import ChatKind, Mode
from userbot.store import Store


def test_folder_with_other_things_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "cat.jpg").touch()
    with pytest.raises(ConfigError, match="holds something other than a demo"):
        prepare_home(tmp_path / "photos")
    assert (tmp_path / "photos" / "cat.jpg").exists()


def test_earlier_demo_is_replaced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    home = prepare_home(Path("demo-run"))
    (home / "clone.db").touch()
    assert prepare_home(home) == tmp_path / "demo-run"
    assert sorted(path.name for path in home.iterdir()) == [".env", MARK]
    assert Path.cwd() == home and home.stat().st_mode & 0o777 == 0o700


def test_settings_of_a_real_clone_do_not_change_the_demo(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("CLONE_BASE", "mistralai/x")
    monkeypatch.setenv("CLONE_HOME", "/elsewhere")
    home = prepare_home(tmp_path / "demo-run")
    assert [name for name in os.environ if name.startswith("CLONE_")] == []
    assert load_settings(home).base == "tiny"


def test_example_is_imported_with_consents_and_one_friend_to_answer(store: Store) -> None:
    import_example(store, EXPORT_PATH)
    assert [chat.id for chat in store.chats.allowed()] == [FRIEND_ID]
    chats = store.chats.all()
    assert {chat.kind for chat in chats if chat.consent_at} == {ChatKind.PRIVATE}
    assert sum(chat.consent_at is not None for chat in chats) == 10
    friend = store.chats.get(FRIEND_ID)
    assert friend is not None and friend.mode is Mode.AUTO
