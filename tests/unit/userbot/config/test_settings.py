"""Settings come from the home folder and the environment, and wrong ones are named."""

from __future__ import annotations

from datetime import time
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from userbot.config.settings import load_settings
from userbot.domain.errors import ConfigError
from userbot.domain.hours import Hours


@pytest.fixture(autouse=True)
def bare_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("CLONE_HOME", raising=False)


def test_environment_wins_over_the_file_of_the_home_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home = tmp_path / "home"
    home.mkdir()
    (home / ".env").write_text("CLONE_REPLY__QUIET_S=3\nCLONE_REPLY__PACE=0.5\n", "utf-8")
    monkeypatch.setenv("CLONE_REPLY__QUIET_S", "4")
    reply = load_settings(home).reply
    assert (reply.quiet_s, reply.pace) == (4.0, 0.5)


def test_file_of_the_current_folder_is_not_read(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("CLONE_GENERATOR__KIND=remote\nCLONE_GENERATOR__URL=http://elsewhere/v1\n", "utf-8")
    assert load_settings(tmp_path / "home").generator.kind == "local"


def test_secrets_are_not_shown(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("CLONE_TELEGRAM__API_HASH", "0123456789abcdef")
    assert "0123456789abcdef" not in repr(load_settings(tmp_path))


@pytest.mark.parametrize(
    ("name", "value"),
    [("CLONE_ZONE", "Mars/Base"), ("CLONE_REPLY__TOP_P", "1.5"), ("CLONE_HEALTH__PORT", "99999")],
)
def test_wrong_value_names_its_variable(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, name: str, value: str) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(ConfigError, match=rf"^{name}: .*Set it in .*\.env or in the environment"):
        load_settings(tmp_path)


def test_former_name_of_a_setting_works_with_a_note(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("CLONE_REPLY__ZONE=Europe/Moscow\nCLONE_REPLY__PACE=0.5\n", "utf-8")
    monkeypatch.setenv("CLONE_SCHEDULE__GO_ON", "true")
    settings = load_settings(tmp_path)
    assert (settings.zone, settings.reply.pace) == (ZoneInfo("Europe/Moscow"), 0.5)
    assert settings.schedule.continue_from_active is True
    assert settings.notes == (
        "CLONE_REPLY__ZONE is called CLONE_ZONE now; the former name still works.",
        "CLONE_SCHEDULE__GO_ON is called CLONE_SCHEDULE__CONTINUE_FROM_ACTIVE now; the former name still works.",
    )


def test_todays_name_of_a_setting_wins_over_its_former_one(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("CLONE_REPLY__ZONE", "Europe/Moscow")
    monkeypatch.setenv("CLONE_ZONE", "Asia/Tbilisi")
    assert load_settings(tmp_path).zone == ZoneInfo("Asia/Tbilisi")


def test_hours_are_values_and_not_texts(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("CLONE_REPLY__QUIET_HOURS", "23:00-08:00")
    monkeypatch.setenv("CLONE_SCHEDULE__HOURS", " 01:00 - 06:00 ")
    settings = load_settings(tmp_path)
    assert settings.reply.quiet_hours == Hours(time(23), time(8))
    assert str(settings.schedule.hours) == "01:00-06:00"
