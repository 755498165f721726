"""Settings come from the home folder and the environment, and wrong ones are named."""

from __future__ import annotations

import re
from datetime import time
from pathlib import Path

import pytest

from userbot.config.settings import load_settings, write_example
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
    assert load_settings(tmp_path / "home").generator.kind == "auto"


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


def test_hours_are_values_and_not_texts(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("CLONE_REPLY__QUIET_HOURS", "23:00-08:00")
    monkeypatch.setenv("CLONE_SCHEDULE__HOURS", " 01:00 - 06:00 ")
    settings = load_settings(tmp_path)
    assert settings.reply.quiet_hours == Hours(time(23), time(8))
    assert str(settings.schedule.hours) == "01:00-06:00"


def test_example_lists_every_setting_once_and_is_up_to_date() -> None:
    example = write_example()
    names = re.findall(r"^#(CLONE_\w+)=", example, re.MULTILINE)
    assert len(names) == len(set(names)) > 40
    assert (Path(__file__).parents[4] / ".env.example").read_text("utf-8") == example


def test_example_uncommented_gives_the_defaults(tmp_path: Path) -> None:
    lines = re.findall(r"^#(CLONE_\w+=.*)$", write_example(), re.MULTILINE)
    (tmp_path / ".env").write_text("\n".join(lines), "utf-8")
    uncommented, default = load_settings(tmp_path), load_settings(tmp_path / "elsewhere")
    assert uncommented.model_dump(exclude={"home"}) == default.model_dump(exclude={"home"})


@pytest.mark.parametrize("name", ["CLONE_SCHEDULE__PRUNE_CRON", "CLONE_SCHEDULE__BACKUP_CRON"])
def test_wrong_cron_expression_is_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, name: str) -> None:
    monkeypatch.setenv(name, "daily")
    with pytest.raises(ConfigError, match=rf"^{name}: 'daily' is not a cron expression; write it like 0 3 \* \* 0"):
        load_settings(tmp_path)


def test_broken_json_is_refused_without_a_trace(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("CLONE_TRAIN", "{epochs")
    with pytest.raises(ConfigError, match=r"\.env\.example shows the form"):
        load_settings(tmp_path)


def test_paths_lie_under_the_home_folder(tmp_path: Path) -> None:
    assert load_settings(tmp_path).paths.database == tmp_path / "clone.db"
