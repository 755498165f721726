"""Tests of deleting everything that the program wrote."""

from __future__ import annotations

from pathlib import Path

import pytest

from userbot.config.home import HomePaths
from userbot.trust.purge import find_private, purge

OWN = (
    "clone.db",
    "clone.db-wal",
    "telegram.session",
    "telegram.session.lock",
    "schedule.db",
    "forgotten.json",
    "adapters/current.json",
    "adapters/20260105-120000-ab12/manifest.json",
    "runs/20260105-120000-ab12/train/tokens.npy",
    "reports/20260105-120000-ab12/trial.json",
    "reports/older-name/report.html",
    "backups/clone-20260105-120000.db",
    "backups/.clone-20260106-120000.db",
    "models/.lora/a.gguf",
)
KEPT = ("notes.txt", "runs/mine/notes.txt", "backups/photo.jpg", "adapters/readme.md")


@pytest.fixture
def paths(tmp_path: Path) -> HomePaths:
    paths = HomePaths(tmp_path / "home")
    for name in (*OWN, *KEPT, "models/tiny/model.safetensors", ".env"):
        path = paths.home / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("x")
    return paths


def test_what_the_program_wrote_goes_and_the_rest_stays_and_is_named(paths: HomePaths, tmp_path: Path) -> None:
    export = tmp_path / "mine.jsonl"
    export.write_text('{"messages": []}')
    found = find_private(paths, exports=(str(export), str(tmp_path / "gone.jsonl")))
    assert {path.relative_to(paths.home).as_posix() for path in found.foreign} == set(KEPT)
    purge(paths, found)
    left = {path.relative_to(paths.home).as_posix() for path in paths.home.rglob("*") if path.is_file()}
    assert left == {*KEPT, ".env", "models/tiny/model.safetensors"} and not export.exists()


def test_an_export_that_was_replaced_by_something_else_stays(paths: HomePaths, tmp_path: Path) -> None:
    export = tmp_path / "mine.jsonl"
    export.write_text("my own")
    assert export not in find_private(paths, exports=(str(export),)).own


def test_with_the_settings_an_unshared_home_is_gone(tmp_path: Path) -> None:
    paths = HomePaths(tmp_path / "home")
    paths.home.mkdir()
    (paths.home / "clone.db").write_text("x")
    paths.env_file.write_text("x")
    purge(paths, find_private(paths, settings=True))
    assert not paths.home.exists()


def test_a_purge_that_was_cut_short_can_be_repeated(paths: HomePaths) -> None:
    found = find_private(paths)
    purge(paths, found)
    purge(paths, found)
    assert find_private(paths).own == ()


def test_a_link_is_removed_and_what_it_points_to_stays(paths: HomePaths, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "precious").write_text("x")
    (paths.runs / "20260105-120001-ab12").symlink_to(elsewhere)
    purge(paths, find_private(paths))
    assert (elsewhere / "precious").exists()
