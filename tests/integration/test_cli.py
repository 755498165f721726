"""The command line, run in this process as a person would: arguments in, text and exit code out."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from userbot.cli import main, screen
from userbot.config.settings import load_settings
from userbot.demo.export import EXPORT_PATH, FRIEND_ID, FRIEND_NAME
from userbot.domain.messages import Chat, ChatKind, Mode
from userbot.store import Store
from userbot.store.adapters import AdapterShelf, Manifest

Clone = Callable[..., tuple[int, str, str]]


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    for console in (screen.console, screen.errors):
        monkeypatch.setattr(console, "_width", 200)
    return tmp_path / "home"


@pytest.fixture
def clone(home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Clone:
    def run(*arguments: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["clone", "--home", str(home), *arguments])
        code = 0
        try:
            main()
        except SystemExit as exc:
            code = exc.code if isinstance(exc.code, int) else 1
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return run


@pytest.fixture
def imported(clone: Clone) -> None:
    assert clone("import", str(EXPORT_PATH))[0] == 0


def test_first_use_shows_the_terms_once(clone: Clone) -> None:
    assert "Telegram's API terms (1.5) forbid" in clone("chats", "list")[2]
    assert "terms" not in clone("chats", "list")[2]


def test_import_shows_a_table_and_a_second_import_adds_nothing(clone: Clone) -> None:
    code, out, err = clone("import", str(EXPORT_PATH))
    assert code == 0
    assert f"{FRIEND_NAME}" in out and "2,974 new, 0 known before" in out and "Skipped: 6 service messages." in out
    assert "1 group holds only your messages" in err
    assert "0 new, 2,974 known before" in clone("import", str(EXPORT_PATH))[1]


def test_title_can_neither_steer_the_terminal_nor_style_it(clone: Clone, home: Path) -> None:
    hostile = "\x1b]0;title\x07\x1b[2J\x9b31m\u202egnirts [red]x[/red] [/] :heart: \u2067."
    with Store.open(home / "clone.db") as store:
        store.chats.save([Chat(id=5, kind=ChatKind.PRIVATE, title=hostile)])
    shown = "]0;title[2J31mgnirts [red]x[/red] [/] :heart: ."
    assert shown in clone("chats", "list")[1]
    assert shown in clone("chats", "allow", "5")[1]
    assert shown in clone("chats", "consent", "5", "--by", "Vera")[1]
    code, _, err = clone("chats", "deny", "\x1b[9J")
    assert code == 2 and "\x1b" not in err


def test_file_name_is_no_markup(clone: Clone, tmp_path: Path) -> None:
    path = tmp_path / "[red]result[bold].json"
    path.write_bytes(EXPORT_PATH.read_bytes())
    assert clone("import", str(path))[0] == 0


def test_dry_run_stores_nothing(clone: Clone, home: Path) -> None:
    assert clone("import", str(EXPORT_PATH), "--dry-run")[0] == 0
    with Store.open(home / "clone.db") as store:
        assert store.chats.all() == []


def test_missing_file_is_refused(clone: Clone, tmp_path: Path) -> None:
    code, _, err = clone("import", str(tmp_path / "none.json"))
    assert code == 2
    assert f"There is no file {tmp_path / 'none.json'}" in err


@pytest.mark.parametrize("content", ["milk, eggs, bread\n", json.dumps({"weather": ["rain"] * 9})])
def test_file_of_another_kind_is_refused_and_nothing_is_stored(
    clone: Clone, home: Path, tmp_path: Path, content: str
) -> None:
    path = tmp_path / "result.json"
    path.write_text(content, "utf-8")
    code, _, err = clone("import", str(path))
    assert (code, err.count("Error:")) == (2, 1)
    assert str(path) in err
    with Store.open(home / "clone.db") as store:
        assert store.chats.all() == []


def test_truncated_export_keeps_what_is_whole_and_exits_3(clone: Clone, home: Path, tmp_path: Path) -> None:
    path = tmp_path / "result.json"
    path.write_bytes(EXPORT_PATH.read_bytes()[:200_000])
    code, out, err = clone("import", str(path))
    assert code == 3
    assert "ends early, after " in err and "What was complete is stored" in err
    with Store.open(home / "clone.db") as store:
        stored = store.messages.count()
    assert stored > 100 and f"{stored:,} new" in out


def test_every_chat_starts_off_and_without_consent(clone: Clone, imported: None, home: Path) -> None:
    with Store.open(home / "clone.db") as store:
        assert {chat.mode for chat in store.chats.all()} == {Mode.OFF}
        assert {chat.consent_at for chat in store.chats.all()} == {None}


def test_training_without_consent_is_refused(clone: Clone, imported: None) -> None:
    code, _, err = clone("train")
    assert code == 2
    assert "No consent to train on a chat is recorded" in err and "clone chats consent CHAT --by WHO" in err


def test_settings_of_training_are_listed_with_what_they_take(clone: Clone) -> None:
    code, out, _ = clone("train", "--settings")
    assert code == 0
    assert "lora.r = 16\n    Rank (a whole number of at least 1)\n" in out
    assert 'lora.targets = ["q_proj", ' in out and "load_in_4bit = true\n" in out and "max_steps = \n" in out


def test_resuming_takes_no_new_settings(clone: Clone) -> None:
    code, _, err = clone("train", "--resume", "--epochs", "2")
    assert code == 2 and "so --set=epochs=2.0 can't change it" in err


def test_too_little_to_train_on_can_be_looked_at(clone: Clone, imported: None) -> None:
    clone("chats", "consent", "Ella Hart", "--by", "Ella", "--yes")
    code, out, _ = clone("dataset", "stats")
    assert code == 0
    assert "at least 40 turns are needed (data.min_turns)" in out and "chats without consent: 9\n" in out
    assert "dataset stats" in clone("train")[2]


def test_consent_is_recorded_shown_and_withdrawn(clone: Clone, imported: None) -> None:
    assert clone("chats", "consent", FRIEND_NAME, "--by", "Anton himself", "--yes")[0] == 0
    assert "Anton himself" in clone("chats", "list")[1]
    assert clone("chats", "withdraw", FRIEND_NAME)[0] == 0
    assert "Anton himself" not in clone("chats", "list")[1]


def test_empty_consent_is_refused(clone: Clone, imported: None) -> None:
    code, _, err = clone("chats", "consent", FRIEND_NAME, "--by", "  ")
    assert code == 2 and "--by is empty" in err


def test_allow_draft_and_deny_change_the_mode(clone: Clone, imported: None, home: Path) -> None:
    for verb, mode in (("allow", Mode.AUTO), ("draft", Mode.DRAFT), ("deny", Mode.OFF)):
        assert clone("chats", verb, str(FRIEND_ID))[0] == 0
        with Store.open(home / "clone.db") as store:
            chat = store.chats.get(FRIEND_ID)
            assert chat is not None and chat.mode is mode


def test_a_bot_is_never_allowed(clone: Clone, imported: None, home: Path) -> None:
    code, _, err = clone("chats", "allow", "Чайный таймер", "--yes")
    assert code == 2 and "only Telegram's private chats and groups are ever answered" in err
    with Store.open(home / "clone.db") as store:
        assert store.chats.allowed() == []


def test_run_without_an_adapter_says_how_to_train(clone: Clone) -> None:
    code, _, err = clone("run")
    assert code == 2
    assert "There is no adapter yet" in err and "clone train" in err


def test_chat_without_an_adapter_says_how_to_train(clone: Clone) -> None:
    code, _, err = clone("chat")
    assert code == 2 and "Train one with `clone train`" in err


def test_run_without_an_api_key_says_where_to_get_one(clone: Clone, home: Path) -> None:
    shelf = AdapterShelf(home / "adapters")
    with shelf.write(Manifest(id="one", base="tiny", created_at="2026-01-05T12:00:00+00:00")) as folder:
        (folder / "adapter_model.safetensors").write_bytes(b"weights")
    shelf.activate("one")
    code, _, err = clone("run")
    assert code == 2
    assert "my.telegram.org/apps" in err


def test_adapters_are_listed_used_and_removed(clone: Clone, home: Path) -> None:
    assert "No adapters yet" in clone("adapters", "list")[1]
    shelf = AdapterShelf(home / "adapters")
    for name in ("one", "two"):
        losses = {"before": {"loss": 5.0}, "after": {"loss": 4.0}}
        made = Manifest(id=name, base="tiny", created_at="2026-01-05T12:00:00+00:00", metrics=losses)
        with shelf.write(made) as folder:
            (folder / "adapter_model.safetensors").write_bytes(name.encode())
        assert clone("adapters", "use", name)[0] == 0
    assert "5.000 → 4.000" in clone("adapters", "list")[1]
    assert clone("adapters", "rollback")[1] == "one is active again.\n"
    assert clone("adapters", "rm", "one")[0] == 2
    assert clone("adapters", "rm", "two")[0] == 0
    assert json.loads(clone("adapters", "show", "one")[1])["id"] == "one"


def test_status_of_a_home_without_a_daemon(clone: Clone) -> None:
    code, out, _ = clone("status")
    assert code == 0
    assert "Daemon: not running" in out and "nobody is answered" in out


def test_pause_is_shown_and_ended(clone: Clone, imported: None) -> None:
    assert "Paused until" in clone("pause", "2h")[1]
    assert "Everything is paused until" in clone("status")[1]
    assert clone("resume")[0] == 0
    assert "Everything is paused" not in clone("status")[1]


def test_pause_without_an_end_is_shown_as_such(clone: Clone, imported: None) -> None:
    assert clone("pause")[0] == 0
    assert "Everything is paused until you resume" in clone("status")[1]


def test_session_that_others_could_read_is_private_after_any_command(clone: Clone, home: Path) -> None:
    home.mkdir()
    load_settings(home).paths.session.write_bytes(b"")
    load_settings(home).paths.session.chmod(0o644)
    code, out, _ = clone("doctor")
    assert code == 1
    assert "session: private" in out
    assert load_settings(home).paths.session.stat().st_mode & 0o777 == 0o600


def test_wrong_setting_names_the_variable_and_the_repair(clone: Clone, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CLONE_REPLY__QUIET_HOURS", "at night")
    code, _, err = clone("status")
    assert code == 2
    assert "CLONE_REPLY__QUIET_HOURS" in err and "write it like 23:00-08:00" in err


def test_demo_refuses_a_folder_with_other_things(clone: Clone, tmp_path: Path) -> None:
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "cat.jpg").write_bytes(b"cat")
    code, _, err = clone("demo", "--folder", str(tmp_path / "photos"))
    assert code == 2
    assert "holds something other than a demo" in err
    assert (tmp_path / "photos" / "cat.jpg").exists()
