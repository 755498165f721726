"""Training configuration: presets, overrides, and wrong values explained without a word of pydantic's."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from training.config import MISTRAL, TINY, TrainConfig, adapt_to_base, make_config, read_layer, rename_former
from userbot.config.former_names import FormerNameWarning
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


def test_later_layers_win_and_dotted_keys_mean_nested_ones() -> None:
    config = make_config("small", {"lora": {"r": 8, "alpha": 4}}, {"lora.r": 2, "epochs": 5})

    assert (config.preset, config.lora.r, config.lora.alpha, config.epochs) == ("small", 2, 4, 5.0)
    assert config.data.max_tokens == 512, "of the preset"


def test_the_embedded_base_takes_its_own_preset_below_what_was_set() -> None:
    config, note = adapt_to_base(make_config("default", {"epochs": 2}), TINY)

    assert (config.preset, config.learning_rate, config.epochs) == ("tiny", make_config("tiny").learning_rate, 2)
    assert note is not None and note.startswith("preset: tiny in place of default")


@pytest.mark.parametrize(("preset", "base"), [("default", MISTRAL), ("small", TINY)])
def test_other_bases_and_presets_stay_as_they_are(preset: str, base: str) -> None:
    config = make_config(preset)

    assert adapt_to_base(config, base) == (config, None)


def test_a_configuration_is_read_back_from_a_manifest() -> None:
    config = make_config("article", {"data.half_life_days": 30})

    assert type(config).model_validate(config.model_dump(mode="json")) == config


def test_a_file_of_settings_is_toml(tmp_path: Path) -> None:
    (tmp_path / "train.toml").write_text("epochs = 2\n[lora]\nr = 4\n")

    assert read_layer(tmp_path / "train.toml") == {"epochs": 2, "lora": {"r": 4}}


def test_a_file_that_is_none_names_the_repair(tmp_path: Path) -> None:
    (tmp_path / "train.toml").write_text("epochs: 2")

    with pytest.raises(ConfigError, match=r"train\.toml is not TOML: .* Write lines such as: epochs = 2"):
        read_layer(tmp_path / "train.toml")
    with pytest.raises(ConfigError, match=r"missing\.toml can't be read: .* Check --config\."):
        read_layer(tmp_path / "missing.toml")


def test_former_names_and_values_count_in_their_layer_and_are_told() -> None:
    with pytest.warns(FormerNameWarning) as caught:
        config = make_config("small", {"row_tokens": 2048}, {"attention": "segments"})

    assert (config.max_pack_tokens, config.attention) == (2048, "per_sample")
    assert [str(each.message) for each in caught] == [
        "The training setting row_tokens is called max_pack_tokens now; the former name still works.",
        "The training setting attention=segments is called attention=per_sample now; the former value still works.",
    ]


@pytest.mark.parametrize(
    ("former", "today"),
    [("rows", "packed"), ("segments", "per_sample"), ("alone", "unpacked"), ("varlen", "varlen"), ("sdpa", "sdpa")],
)
def test_the_configuration_of_an_older_manifest_is_read(former: str, today: str) -> None:
    values = make_config().model_dump(mode="json")
    del values["max_pack_tokens"]
    config = TrainConfig.model_validate({**values, "row_tokens": 512, "attention": former})

    assert (config.max_pack_tokens, config.attention) == (512, today)


def test_wrong_value_under_a_former_name_is_reported_with_that_name() -> None:
    said = r"max_pack_tokens is 'abc', but .* The training setting row_tokens is called max_pack_tokens now"
    with pytest.warns(FormerNameWarning), pytest.raises(ConfigError, match=said):
        make_config("small", {"row_tokens": "abc"})


def test_of_a_setting_under_both_names_todays_counts() -> None:
    renamed, lines = rename_former({"row_tokens": 512, "max_pack_tokens": 1024, "epochs": 2})

    assert renamed == {"max_pack_tokens": 1024, "epochs": 2}
    assert lines == (
        (
            "The training setting row_tokens is called max_pack_tokens now; the former name is ignored, since "
            "max_pack_tokens is set."
        ),
    )
    assert rename_former(renamed) == (renamed, ())


def test_own_pattern_that_cannot_be_used_is_refused_by_its_name() -> None:
    with pytest.raises(ConfigError, match=r"data\.patterns.*the pattern pets is no regular expression"):
        make_config("default", {"data.patterns": {"pets": "("}})
