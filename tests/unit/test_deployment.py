"""The container and service files agree with the package."""

from __future__ import annotations

import configparser
import re
import tomllib
from pathlib import Path

from userbot.config.settings import write_example

ROOT = Path(__file__).parents[2]
DOCKER = ROOT / "docker"
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
WHEEL = PROJECT["tool"]["hatch"]["build"]["targets"]["wheel"]


def test_image_copies_what_the_wheel_is_built_from() -> None:
    text = (DOCKER / "Dockerfile").read_text("utf-8")
    copied = set(re.findall(r"^COPY (?!--from)(.+) \S+$", text, re.MULTILINE))
    assert copied == {
        "pyproject.toml README.md LICENSE",
        *WHEEL["packages"],
        *WHEEL["force-include"],
    }
    extras = set(re.findall(r"\[(\w+)\]\"", text))
    assert extras <= set(PROJECT["project"]["optional-dependencies"])


def test_only_known_settings_are_named() -> None:
    known = set(re.findall(r"^#(CLONE_\w+)=", write_example(), re.MULTILINE))
    for path in DOCKER.iterdir():
        named = set(re.findall(r"CLONE_[A-Z_0-9]+", path.read_text("utf-8")))
        assert named <= known, path.name


def test_targets_of_the_compose_file_exist() -> None:
    targets = set(re.findall(r"^FROM \S+ AS (\w+)$", (DOCKER / "Dockerfile").read_text("utf-8"), re.MULTILINE))
    named = set(re.findall(r"target: (\w+)", (DOCKER / "compose.yaml").read_text("utf-8")))
    assert named and named <= targets


def test_unit_starts_the_console_command_and_may_write_to_its_home_only() -> None:
    unit = configparser.ConfigParser(interpolation=None, strict=False)
    unit.optionxform = str  # type: ignore[assignment, method-assign]  # the documented way to keep the case
    unit.read(DOCKER / "telegram-clone.service", "utf-8")
    service = unit["Service"]
    program, verb = service["ExecStart"].split()
    assert Path(program).name in PROJECT["project"]["scripts"] and verb == "run"
    assert service["Environment"] == "CLONE_HOME=%h/.telegram-clone"
    assert service["ReadWritePaths"].split()[0] == "%h/.telegram-clone"
    assert service["ProtectSystem"] == "strict"
