"""Wrong settings are explained by name, value and accepted form, without a word of pydantic's."""

from __future__ import annotations

from argparse import Namespace
from pathlib import Path
from typing import Any

import pytest

from training.__main__ import configure, parse_setting
from training.config import TrainConfig, make_config
from userbot.config.explain import list_fields
from userbot.config.settings import Settings, load_settings
from userbot.domain.errors import ConfigError

LIST = "`clone train --settings` lists all settings."


@pytest.mark.parametrize(
    ("layer", "text"),
    [
        ({"foo": 1}, "There is no training setting 'foo'."),
        ({"epoch": 1}, "There is no training setting 'epoch'. Did you mean epochs?"),
        ({"max_tokens": 1}, "There is no training setting 'max_tokens'. Did you mean data.max_tokens?"),
        ({"lora.x": 1}, "There is no training setting 'lora.x'. Did you mean lora.r or lora.alpha?"),
        ({"epochs": "abc"}, "The training setting epochs is 'abc', but must be a number above 0."),
        ({"max_steps": 1.5}, "The training setting max_steps is 1.5, but must be a whole number of at least 1."),
        (
            {"data": {"held_out": 0.9}},
            "The training setting data.held_out is 0.9, but must be a number above 0 and below 0.5.",
        ),
        ({"load_in_4bit": "maybe"}, "The training setting load_in_4bit is 'maybe', but must be true or false."),
        ({"schedule": "x"}, "The training setting schedule is 'x', but must be one of cosine, linear, constant."),
        (
            {"lora": {"targets": "q"}},
            """The training setting lora.targets is 'q', but must be a list, such as ["a", "b"].""",
        ),
        (
            {"lora": 8},
            "The training setting lora is 8, but must be a group of settings: r, alpha, dropout, targets.",
        ),
    ],
)
def test_wrong_training_setting_is_explained(layer: dict[str, Any], text: str) -> None:
    with pytest.raises(ConfigError) as caught:
        make_config("default", layer)
    assert str(caught.value) == f"{text} {LIST}"


def test_preset_that_does_not_exist_names_those_that_do() -> None:
    with pytest.raises(ConfigError, match=r"^Unknown preset 'nope': choose one of default, tiny, small, article with"):
        make_config("nope")


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


def test_setting_without_a_value_takes_what_none_means() -> None:
    assert parse_setting("data.half_life_days=") == ("data.half_life_days", None)
    assert parse_setting("epochs=2") == ("epochs", 2)
    assert parse_setting("base=mistralai/x") == ("base", "mistralai/x")


@pytest.mark.parametrize(("flag", "max_pack_tokens"), [(None, 4096), ("default", None)])
def test_preset_named_in_a_file_counts_unless_a_flag_names_another(
    tmp_path: Path, flag: str | None, max_pack_tokens: int | None
) -> None:
    file = tmp_path / "train.toml"
    file.write_text('preset = "small"\nepochs = 2\n', "utf-8")
    given = Namespace(config=file, set=["lora.r=4"], base=None, preset=flag)
    config = configure(load_settings(tmp_path), given)
    assert (config.preset, config.max_pack_tokens, config.epochs, config.lora.r) == (
        flag or "small",
        max_pack_tokens,
        2,
        4,
    )
