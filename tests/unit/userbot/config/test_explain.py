"""Wrong settings are explained by name and accepted form, without a word of pydantic's and without the value."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

import pytest
from pydantic import BaseModel, Field, SecretStr, ValidationError, field_validator

from training.config import TrainConfig
from userbot.config.explain import describe_form, explain, find_field, list_fields, suggest
from userbot.config.settings import Settings, load_settings
from userbot.domain.errors import ConfigError


class Oven(BaseModel):
    """A group of settings with every form."""

    heat_c: int = Field(180, ge=50, le=250)
    share: float = Field(0.5, gt=0, lt=1)
    mode: Literal["top", "bottom"] = "top"
    fan: bool | None = None
    trays: tuple[str, ...] = ("upper",)
    recipe: Path = Path()

    @field_validator("recipe")
    @classmethod
    def _check(cls, value: Path) -> Path:
        if value.suffix not in ("", ".txt"):
            raise ValueError("a recipe is a text file")
        return value


class Kitchen(BaseModel):
    """Settings with a group."""

    name: str = "home"
    key: SecretStr | None = None
    oven: Oven = Field(default_factory=Oven.model_construct)


def _explain(**values: Any) -> str:
    with pytest.raises(ValidationError) as caught:
        Kitchen(**values)
    return explain(caught.value.errors()[0], Kitchen)


@pytest.mark.parametrize(
    ("values", "text"),
    [
        ({"name": 5}, "must be a text"),
        ({"key": 5}, "must be a text"),
        ({"oven": 5}, "must be a group of settings: heat_c, share, mode, fan, trays, recipe"),
        ({"oven": {"heat_c": "hot"}}, "must be a whole number of at least 50 and at most 250"),
        ({"oven": {"heat_c": 20}}, "must be a whole number of at least 50 and at most 250"),
        ({"oven": {"share": 1}}, "must be a number above 0 and below 1"),
        ({"oven": {"mode": "grill"}}, "must be one of top, bottom"),
        ({"oven": {"fan": "perhaps"}}, "must be true or false"),
        ({"oven": {"trays": [1]}}, 'must be a list, such as ["a", "b"]'),
        ({"oven": {"recipe": "cake.exe"}}, "a recipe is a text file"),
    ],
)
def test_wrong_value_is_explained_by_what_is_accepted(values: dict[str, Any], text: str) -> None:
    assert _explain(**values) == text


def test_fields_are_listed_with_those_of_groups() -> None:
    names = [name for name, _ in list_fields(Kitchen)]
    assert names == ["name", "key", *(f"oven.{name}" for name in Oven.model_fields)]


def test_field_is_found_by_its_path() -> None:
    field = find_field(Kitchen, ["oven", "heat_c"])
    assert field is not None and field.default == 180
    assert find_field(Kitchen, ["oven", "trays", 0]) is find_field(Kitchen, ["oven", "trays"])
    assert find_field(Kitchen, ["oven", "light"]) is None


@pytest.mark.parametrize(
    ("name", "meant"),
    [("heat_c", ["oven.heat_c"]), ("nam", ["name"]), ("entirely different", [])],
)
def test_name_that_was_perhaps_meant_is_suggested(name: str, meant: list[str]) -> None:
    assert suggest(name, (known for known, _ in list_fields(Kitchen))) == meant


def test_every_setting_has_a_form_of_its_own() -> None:
    forms = {name: describe_form(field) for model in (TrainConfig, Settings) for name, field in list_fields(model)}
    assert [name for name, form in forms.items() if form.startswith("a value")] == []
    assert forms["lora.r"] == "a whole number of at least 1"


@pytest.mark.parametrize(
    ("values", "text"),
    [
        ({"telegram": {"api_id": "abc"}}, "CLONE_TELEGRAM__API_ID: must be a whole number."),
        ({"reply": {"top_p": 3}}, "CLONE_REPLY__TOP_P: must be a number above 0 and at most 1."),
        ({"reply": {"zone": "Mars"}}, "CLONE_ZONE: 'Mars' is not a time zone; write it like Europe/Berlin."),
        ({"log_level": "loud"}, "CLONE_LOG_LEVEL: must be one of debug, info, warning, error."),
    ],
)
def test_wrong_setting_names_its_variable_and_where_to_set_it(
    tmp_path: Path, values: dict[str, Any], text: str
) -> None:
    with pytest.raises(ConfigError) as caught:
        load_settings(tmp_path, **values)
    assert str(caught.value).startswith(f"{text} Set it in {tmp_path / '.env'}")
