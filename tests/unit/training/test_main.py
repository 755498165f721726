"""The command line of the training process: its settings in layers, its exit codes, its last event."""

from __future__ import annotations

import json
import signal
from argparse import Namespace
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from training.__main__ import configure, main, parse_setting
from userbot.config.settings import load_settings
from userbot.domain.errors import ConfigError, ExitCode


@pytest.fixture(autouse=True)
def _keep_signal_handlers() -> Iterator[None]:
    numbers = (signal.SIGINT, signal.SIGTERM)
    handlers = [signal.getsignal(number) for number in numbers]
    yield
    for number, handler in zip(numbers, handlers, strict=True):
        signal.signal(number, handler)


def give(**values: Any) -> Namespace:
    return Namespace(**{"config": None, "set": [], "base": None, "preset": None, **values})


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
    given = give(config=file, set=["lora.r=4"], preset=flag)
    config, _ = configure(load_settings(tmp_path), given)
    assert (config.preset, config.max_pack_tokens, config.epochs, config.lora.r) == (
        flag or "small",
        max_pack_tokens,
        2,
        4,
    )


def test_flags_win_over_the_file_and_the_file_over_the_settings(tmp_path: Path) -> None:
    file = tmp_path / "train.toml"
    file.write_text("epochs = 2\nseed = 2\n")
    settings = load_settings(tmp_path, base="of/settings", train={"epochs": 1, "seed": 1, "lora": {"r": 1}})

    config, notes = configure(settings, give(config=file, set=["seed=3"], base="of/flags"))

    assert (config.base, config.lora.r, config.epochs, config.seed) == ("of/flags", 1, 2, 3)
    assert configure(settings, give())[0].base == "of/settings"
    assert notes == ()


def test_former_names_of_training_settings_are_told(tmp_path: Path) -> None:
    config, notes = configure(load_settings(tmp_path), give(set=["row_tokens=512", "attention=alone"]))

    assert (config.max_pack_tokens, config.attention) == (512, "unpacked")
    assert notes == (
        "The training setting row_tokens is called max_pack_tokens now; the former name still works.",
        "The training setting attention=alone is called attention=unpacked now; the former value still works.",
    )


@pytest.mark.parametrize("text", ["epochs", "=2", " = "])
def test_what_is_no_setting_names_the_form(text: str) -> None:
    with pytest.raises(ConfigError, match="is no setting: write --set NAME=VALUE"):
        parse_setting(text)


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["--resume"], "No training run was interrupted, so there is nothing to resume. Start one: clone train"),
        (["--set", "epochs=0"], "The training setting epochs is 0, but must be a number above 0. "),
        (["--preset", "nope"], "Unknown preset 'nope': choose one of"),
    ],
)
def test_a_failure_is_the_last_event_and_the_exit_code(
    tmp_path: Path, arguments: list[str], text: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["--home", str(tmp_path), *arguments]) == ExitCode.WRONG

    last = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert (last["event"], last["exit_code"]) == ("error", ExitCode.WRONG)
    assert last["text"].startswith(text)
