"""Settings under former names work, give way to today's, and are reported."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from userbot.config.former_names import FormerNameWarning, accept_former_names
from userbot.config.settings import FORMER_NAMES, Settings, load_settings
from userbot.domain.errors import ConfigError

RENAMED: dict[tuple[str, ...], tuple[str, ...]] = {
    ("reply", "zone"): ("zone",),
    ("schedule", "go_on"): ("schedule", "continue_from_active"),
}


@pytest.mark.parametrize(
    ("given", "accepted"),
    [
        ({"reply": {"zone": "UTC", "pace": 1}}, {"reply": {"pace": 1}, "zone": "UTC"}),
        ({"schedule": {"go_on": True}}, {"schedule": {"continue_from_active": True}}),
        ({"reply": {"zone": "UTC"}, "zone": "Asia/Tbilisi"}, {"reply": {}, "zone": "Asia/Tbilisi"}),
        (
            {"schedule": {"go_on": True, "continue_from_active": False}},
            {"schedule": {"continue_from_active": False}},
        ),
    ],
)
def test_former_name_becomes_todays_with_a_warning(given: dict[str, Any], accepted: dict[str, Any]) -> None:
    with pytest.warns(FormerNameWarning, match=r"is called CLONE_\w+ now; the former name (still works|is ignored)"):
        assert accept_former_names(given, RENAMED) == accepted


def test_values_under_todays_names_are_left_as_they_are() -> None:
    given = {"reply": {"pace": 1}, "zone": "UTC", "schedule": None}
    assert accept_former_names(given, RENAMED) == given


def test_given_values_are_not_changed() -> None:
    given = {"reply": {"zone": "UTC"}}
    with pytest.warns(FormerNameWarning):
        accept_former_names(given, RENAMED)
    assert given == {"reply": {"zone": "UTC"}}


def test_renamed_settings_exist_under_todays_names_only() -> None:
    assert FORMER_NAMES == RENAMED
    assert "zone" in Settings.model_fields
    settings = load_settings()
    assert hasattr(settings.schedule, "continue_from_active") and not hasattr(settings.schedule, "go_on")


def test_former_names_work_in_the_file_and_in_the_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("CLONE_REPLY__ZONE=Europe/Moscow\nCLONE_REPLY__PACE=0.5\n", "utf-8")
    monkeypatch.setenv("CLONE_SCHEDULE__GO_ON", "true")
    settings = load_settings(tmp_path)
    assert (settings.zone, settings.reply.pace) == (ZoneInfo("Europe/Moscow"), 0.5)
    assert settings.schedule.continue_from_active is True
    assert settings.notes == (
        "CLONE_REPLY__ZONE is called CLONE_ZONE now; the former name still works.",
        "CLONE_SCHEDULE__GO_ON is called CLONE_SCHEDULE__CONTINUE_FROM_ACTIVE now; the former name still works.",
    )


def test_todays_name_wins_over_the_former_one(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("CLONE_REPLY__ZONE", "Europe/Moscow")
    monkeypatch.setenv("CLONE_ZONE", "Asia/Tbilisi")
    settings = load_settings(tmp_path)
    assert settings.zone == ZoneInfo("Asia/Tbilisi")
    assert settings.notes == (
        "CLONE_REPLY__ZONE is called CLONE_ZONE now; the former name is ignored, since CLONE_ZONE is set.",
    )


def test_wrong_value_under_a_former_name_is_reported_with_that_name(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("CLONE_REPLY__ZONE=Europe/Nowhere\nCLONE_SCHEDULE__GO_ON=true\n", "utf-8")
    with pytest.raises(ConfigError, match=r"^CLONE_ZONE: .* CLONE_REPLY__ZONE is called CLONE_ZONE now") as raised:
        load_settings(tmp_path)
    assert "GO_ON" not in str(raised.value)


def test_settings_without_former_names_have_no_notes(tmp_path: Path) -> None:
    assert load_settings(tmp_path).notes == ()
