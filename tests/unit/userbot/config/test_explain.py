"""Wrong settings are explained by name, value and accepted form, without a word of pydantic's."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from training.config import TrainConfig
from userbot.config.explain import list_fields
from userbot.config.settings import Settings, load_settings
from userbot.domain.errors import ConfigError


@pytest.mark.parametrize(
    ("values", "text"),
    [
        ({"telegram": {"api_id": "abc"}}, "CLONE_TELEGRAM__API_ID: must be a whole number."),
        ({"reply": {"top_p": 3}}, "CLONE_REPLY__TOP_P: must be a number above 0 and at most 1."),
        ({"reply": {"zone": "Mars"}}, "CLONE_ZONE: 'Mars' is not a time zone; write it like Europe/Berlin."),
        ({"log_level": "loud"}, "CLONE_LOG_LEVEL: must be one of debug, info, warning, error."),
    ],
)
def test_wrong_setting_is_explained_without_its_value(tmp_path: Path, values: dict[str, Any], text: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load_settings(tmp_path, **values)
    assert str(caught.value).startswith(f"{text} Set it in {tmp_path / '.env'}")


def test_every_setting_has_a_form_of_its_own() -> None:
    from userbot.config.explain import describe_form

    forms = {name: describe_form(field) for model in (TrainConfig, Settings) for name, field in list_fields(model)}
    assert [name for name, form in forms.items() if form.startswith("a value")] == []
    assert forms["lora.r"] == "a whole number of at least 1"
