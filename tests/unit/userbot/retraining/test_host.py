"""Mains power and GPU load, as the machine tells them."""

from __future__ import annotations

from pathlib import Path

import pytest

from userbot.retraining.host import GpuLoad, is_on_mains, read_gpu_load


def add_supply(folder: Path, name: str, **values: str) -> None:
    (folder / name).mkdir()
    for key, value in values.items():
        (folder / name / key).write_text(f"{value}\n")


def test_a_discharging_battery_means_no_mains(tmp_path: Path) -> None:
    add_supply(tmp_path, "AC", type="Mains", online="0")
    add_supply(tmp_path, "BAT0", type="Battery", status="Discharging")

    assert not is_on_mains(tmp_path)


@pytest.mark.parametrize("status", ["Charging", "Full", "Not charging"])
def test_any_other_battery_means_mains(tmp_path: Path, status: str) -> None:
    add_supply(tmp_path, "BAT0", type="Battery", status=status)

    assert is_on_mains(tmp_path)


def test_a_mouse_has_a_battery_that_does_not_count(tmp_path: Path) -> None:
    add_supply(tmp_path, "hidpp_battery_0", type="Battery", scope="Device", status="Discharging")

    assert is_on_mains(tmp_path)


def test_a_desktop_is_on_mains(tmp_path: Path) -> None:
    assert is_on_mains(tmp_path / "nothing")


def put_tool(folder: Path, text: str, code: int = 0) -> None:
    tool = folder / "nvidia-smi"
    tool.write_text(f"#!/bin/sh\nprintf '{text}'\nexit {code}\n")
    tool.chmod(0o755)


def test_the_busiest_gpu_and_the_least_memory_count(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    put_tool(tmp_path, "3, 9000\\n87, 20000\\n")
    monkeypatch.setenv("PATH", f"{tmp_path}:/bin")

    assert read_gpu_load() == GpuLoad(87, 9000)


@pytest.mark.parametrize(("text", "code"), [("no devices were found", 0), ("", 9), ("", 0)])
def test_a_tool_without_an_answer_is_no_gpu(
    text: str, code: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put_tool(tmp_path, text, code)
    monkeypatch.setenv("PATH", f"{tmp_path}:/bin")

    assert read_gpu_load() is None


def test_without_the_tool_there_is_no_gpu(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))

    assert read_gpu_load() is None
