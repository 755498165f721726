"""The check of the machine, and the settings file that the guided setup writes."""

from __future__ import annotations

import stat
from datetime import UTC, datetime
from pathlib import Path

import pytest
from command_line import Clone

from userbot.cli.setup import save_settings
from userbot.config.settings import load_settings
from userbot.domain.errors import ConfigError
from userbot.domain.messages import Chat, ChatKind, Message, Origin
from userbot.domain.telegram_ids import FIRST_DERIVED_ID
from userbot.store import Store


def test_doctor_names_what_is_missing_and_how_to_repair_it(clone: Clone, home: Path, store: Store) -> None:
    (home / "telegram.session").touch(mode=0o644)
    (home / "telegram.session").chmod(0o644)
    out = clone("doctor")
    lines = {line[4:].split(":")[0]: line for line in out.splitlines()}
    assert clone.code == 1
    assert lines["api key"].startswith("no") and "clone init" in lines["api key"]
    assert (lines["session"], stat.S_IMODE((home / "telegram.session").stat().st_mode)) == (
        "ok  session: private",
        0o600,
    )
    assert lines["adapter"] == "no  adapter: none; `clone train` makes one"
    assert lines["database"] == "ok  database: private"
    assert lines["allow-list"] == "ok  allow-list: empty, so nobody is answered"
    assert "Mended, so that only you have it:" in " ".join(clone.err.split())
    assert clone.err.endswith("2 problems to repair.\n")


def test_doctor_names_chats_whose_messages_have_no_order(clone: Clone, store: Store) -> None:
    at = datetime(2024, 1, 15, 10, 30, tzinfo=UTC)
    chat = Chat(id=FIRST_DERIVED_ID + 1, kind=ChatKind.PRIVATE, title="Nora", source="whatsapp")
    store.chats.save([chat])
    store.messages.add(
        Message(chat_id=chat.id, id=number, origin=Origin.CONTACT, sent_at=at, text="hi") for number in (5, 6)
    )
    assert "no  order: messages of one minute are out of order: Nora (whatsapp)" in clone("doctor")


def test_doctor_explains_wrong_settings(clone: Clone, home: Path) -> None:
    home.mkdir()
    (home / ".env").write_text("CLONE_LOG_LEVEL=loud\n", "utf-8")
    assert "no  settings: CLONE_LOG_LEVEL: must be one of debug, info, warning, error" in clone("doctor")


def test_setup_without_agreement_changes_nothing(clone: Clone, home: Path) -> None:
    with pytest.raises(ConfigError, match="Nothing was set up"):
        clone("init", answers="n\n")
    assert not home.exists()


def test_saved_settings_keep_all_other_lines_and_are_private(home: Path) -> None:
    path = home / ".env"
    home.mkdir()
    path.write_text("# mine\nCLONE_LOG_LEVEL=debug\nCLONE_TELEGRAM__API_ID=1\n", "utf-8")
    settings = save_settings(path, {"CLONE_TELEGRAM__API_ID": "5"}, home=home)
    assert path.read_text("utf-8") == "# mine\nCLONE_LOG_LEVEL=debug\nCLONE_TELEGRAM__API_ID=5\n"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert (settings.telegram.api_id, settings.log_level) == (5, "debug")


def test_wrong_setting_is_not_saved(home: Path) -> None:
    path = home / ".env"
    save_settings(path, {"CLONE_REPLY__QUIET_HOURS": "23:00-08:00"}, home=home)
    with pytest.raises(ConfigError, match="is not a span of hours"):
        save_settings(path, {"CLONE_REPLY__QUIET_HOURS": "at night"}, home=home)
    assert str(load_settings(home).reply.quiet_hours) == "23:00-08:00"


def test_doctor_shows_a_home_that_others_can_exchange(clone: Clone, home: Path) -> None:
    home.mkdir()
    home.parent.chmod(0o770)
    assert (
        f"can be written by others (770), who could put another one in its place. Repair: chmod g-w {home.parent}"
        in (clone("doctor"))
    )
    assert clone.code == 1
